"""Every variant of a dataset against every other: over seeds, and apart from that over test images.

The two answer different questions and are never mixed. Over seeds: would the difference be there again if
both were retrained? Over images: with the networks as they are, how much does it vary from image to image?
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from pixelcnn.report.arrays import load, mean_of_all
from pixelcnn.report.collect import Run
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.differences import Differences
from pixelcnn.results.metric_table import RANKED_BY, metric
from pixelcnn.statistics.beats import chance_to_beat
from pixelcnn.statistics.comparisons import Comparisons, Verdict
from pixelcnn.statistics.crossed import OverImages, all_over_images

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

    `seeds` has every pair, over seeds on these test images, and `beats` the share of pairs of a seed of each
    in which the first has the lower NLL. `images` and `new_images`, which is over seeds and new test images,
    lack the pairs of variants whose nats per image are not there.
    """

    names: list[str]
    differences: Differences
    seeds: Comparisons
    beats: dict[Pair, float]
    images: dict[Pair, ImageVariation]
    new_images: dict[Pair, OverImages]

    def having(self, *verdicts: Verdict | None) -> list[Pair]:
        """The pairs with one of these verdicts on the better one by its mean, which comes first."""
        return [pair for pair in combinations(self.names, 2) if self.seeds[pair].verdict in verdicts]

    def ranks(self, name: str) -> tuple[int, int]:
        """The best and the worst rank that a variant may have, by all that is certain of it."""
        signs = [self.seeds[name, other].sign for other in self.names if other != name]
        return 1 + signs.count("higher"), len(self.names) - signs.count("lower")


def compare_pairs(differences: Differences) -> Pairs:
    """The comparisons between the ranked results of one dataset."""
    nll = metric(RANKED_BY)
    ranked = {result.name: result for result in differences.results if result.nll}
    seeds = differences.of(nll)
    beats = {
        (a, b): chance_to_beat(ranked[a].values(nll), ranked[b].values(nll))
        for a, b in permutations(ranked, 2)
    }
    nats = {name: table for name in ranked if (table := _table(ranked[name])) is not None}
    images: dict[Pair, ImageVariation] = {}
    for a, b in combinations(nats, 2):
        images[a, b] = image_variation(nats[a].mean(axis=0), nats[b].mean(axis=0))
        images[b, a] = images[a, b].reverse
    finished = {name: [run.spec.seed for run in ranked[name].variant.finished] for name in nats}
    return Pairs(list(ranked), differences, seeds, beats, images, all_over_images(seeds, nats, finished))


def _table(result: VariantResult) -> NDArray[np.float64] | None:
    """The NLL of each test image [seeds, images] of the finished seeds; None unless each has them."""
    rows = [nats_of(run) for run in result.variant.finished]
    usable = [row for row in rows if row is not None and np.isfinite(row).all() and len(row) >= 2]
    return np.stack(usable) if len(usable) == len(rows) > 0 else None


def nats_per_image(result: VariantResult) -> NDArray[np.float64] | None:
    """The NLL of each test image, mean over the finished seeds: [images]; None if a file is not usable."""
    return mean_of_all(nats_of(run) for run in result.variant.finished)


def nats_of(run: Run) -> NDArray[np.float64] | None:
    """The NLL of each test image, label-marginalised if conditional: [images]; None if not usable."""
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
