"""Every variant of a dataset against every other: over seeds, and apart from that over test images.

The two answer different questions and are never mixed. Over seeds: would the difference be there again if
both were retrained? Over images: with the networks as they are, how much does it vary from image to image?
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from pixelcnn.report.arrays import load, mean_of_all
from pixelcnn.report.collect import Run
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.differences import Differences
from pixelcnn.results.metric_table import RANKED_BY, metric
from pixelcnn.statistics.comparisons import Comparisons, Verdict

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
    differences: Differences
    seeds: Comparisons
    images: dict[Pair, ImageVariation]

    def having(self, *verdicts: Verdict | None) -> list[Pair]:
        """The pairs with one of these verdicts on the better one by its mean, which comes first."""
        return [pair for pair in combinations(self.names, 2) if self.seeds[pair].verdict in verdicts]

    def not_told_from(self, name: str) -> list[str]:
        """The variants that may be better or worse than `name`, in the order of the ranking."""
        return [other for other in self.names if other != name and self.seeds[name, other].sign is None]

    def ranks(self, name: str) -> tuple[int, int]:
        """The best and the worst rank that a variant may have, by all that is certain of it."""
        signs = [self.seeds[name, other].sign for other in self.names if other != name]
        return 1 + signs.count("higher"), len(self.names) - signs.count("lower")


def compare_pairs(differences: Differences) -> Pairs:
    """The comparisons between the ranked results of one dataset."""
    ranked = {result.name: result for result in differences.results if result.nll}
    nats = {name: nats_per_image(result) for name, result in ranked.items()}
    images: dict[Pair, ImageVariation] = {}
    for a, b in combinations(ranked, 2):
        first, second = nats[a], nats[b]
        if first is not None and second is not None and len(first) == len(second) >= 2:
            images[a, b] = image_variation(first, second)
            images[b, a] = images[a, b].reverse
    return Pairs(list(ranked), differences, differences.of(metric(RANKED_BY)), images)


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
