"""Every variant of a dataset against every other: over seeds, and apart from that over test images.

The two answer different questions and are never mixed. Over seeds: would the difference be there again if
both were retrained? Over images: with the networks as they are, how much does it vary from image to image?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from pixelcnn.config.run_spec import RunSpec
from pixelcnn.report.arrays import load, mean_of_all
from pixelcnn.report.collect import Run
from pixelcnn.report.compare import VariantResult
from pixelcnn.results.metric_table import RANKED_BY, metric
from pixelcnn.statistics.differences import Difference, compare_all

Pair = tuple[str, str]


@dataclass(frozen=True)
class ImageVariation:
    """How much the NLL of a first variant exceeds that of a second, image by image, in nats.

    Each image's NLL is the mean over the seeds of the variant. `error` is the standard error of the `mean`
    over `images` test images, [`low`, `high`] its 95 % interval; `better` is the share of images on which
    the first has the lower NLL, equal ones counting half. Nothing of it says what other seeds would give.
    """

    mean: float
    error: float
    low: float
    high: float
    better: float
    images: int

    @property
    def reverse(self) -> ImageVariation:
        """Second minus first."""
        low, high = 0.0 - self.high, 0.0 - self.low
        return ImageVariation(0.0 - self.mean, self.error, low, high, 1 - self.better, self.images)


@dataclass(frozen=True)
class Pairs:
    """The variants with results, best first, and the differences of each ordered pair of them.

    `seeds` has every pair; `images` lacks those of variants whose nats per image are not there.
    """

    names: list[str]
    seeds: dict[Pair, Difference]
    images: dict[Pair, ImageVariation]

    def tied(self, name: str) -> list[str]:
        """The variants whose NLL the seeds do not tell from that of `name`, in the order of the ranking."""
        return [n for n in self.names if n != name and self.seeds[name, n].verdict == "tie"]


def compare_pairs(results: Sequence[VariantResult]) -> Pairs:
    """The comparisons between the ranked results of one dataset."""
    ranked = {result.name: result for result in results if result.nll}
    values = {name: result.by_seed(metric(RANKED_BY)) for name, result in ranked.items()}
    seeds = compare_all(values, lambda a, b: share_data_order(ranked[a], ranked[b]))
    nats = {name: nats_per_image(result) for name, result in ranked.items()}
    images: dict[Pair, ImageVariation] = {}
    for a, b in combinations(ranked, 2):
        first, second = nats[a], nats[b]
        if first is not None and second is not None and len(first) == len(second) >= 2:
            images[a, b] = image_variation(first, second)
            images[b, a] = images[a, b].reverse
    return Pairs(list(ranked), seeds, images)


def share_data_order(a: VariantResult, b: VariantResult) -> bool:
    """Whether equal seeds of two variants saw the same images in the same batches.

    The order derives from the run's seed alone, so it takes the same data, batch size and budget, and two
    seeds that finished for both.
    """
    first = {run.spec.seed: run.spec for run in a.variant.finished}
    second = {run.spec.seed: run.spec for run in b.variant.finished}
    shared = first.keys() & second.keys()
    return len(shared) >= 2 and all(_data_order(first[s]) == _data_order(second[s]) for s in shared)


def _data_order(spec: RunSpec) -> tuple[object, ...]:
    recipe = spec.training
    return spec.dataset, recipe.batch_size, recipe.epochs, recipe.images


def nats_per_image(result: VariantResult) -> NDArray[np.float64] | None:
    """The NLL of each test image, mean over the finished seeds: [images]; None if a file is not usable."""
    return mean_of_all(_nats_of(run) for run in result.variant.finished)


def _nats_of(run: Run) -> NDArray[np.float64] | None:
    nats = load(run.nats, "marginal_per_image" if run.spec.variant.conditional else "per_image")
    expected = (run.metrics.images,) if run.metrics else None
    return nats if nats is not None and nats.shape == expected else None


def image_variation(first: NDArray[np.float64], second: NDArray[np.float64]) -> ImageVariation:
    """First minus second over the same images, two or more, by Student's paired t-interval."""
    differences = first - second
    n = len(differences)
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / n**0.5
    half = float(stdtrit(n - 1, 0.975)) * error
    better = float((differences < 0).mean() + (differences == 0).mean() / 2)
    return ImageVariation(mean, error, mean - half, mean + half, better, n)
