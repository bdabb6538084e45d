"""The differences of a table once more, over new test images as well as new seeds: crossed random effects.

`compare` speaks of what training with other seeds would give on the test images there are. Here these, too,
are a sample. docs/statistics.md, "New test images", has the formula and how often the intervals hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from pixelcnn.statistics.comparisons import Comparison, Comparisons, Pair, critical_value
from pixelcnn.statistics.levels import level_of
from pixelcnn.system.errors import UserError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OverImages:
    """By how much a first variant exceeds a second in nats, as an estimate for new seeds and new images.

    The difference is that of the comparison; `error` is its standard error over both, with `freedom` degrees
    of freedom. [`low`, `high`] is the simultaneous interval, [`plain_low`, `plain_high`] the 95 % interval of
    this difference alone; neither is narrower than the comparison's. `seeds_share` is the share of the
    squared error that seeds make up on the images there are: the rest would go with more of the `images`.
    """

    difference: float
    error: float
    freedom: float
    low: float
    high: float
    plain_low: float
    plain_high: float
    seeds_share: float
    images: int

    @property
    def reverse(self) -> OverImages:
        """Second minus first."""
        return replace(
            self,
            difference=0.0 - self.difference,  # a minus alone would make -0.0 of nothing
            low=0.0 - self.high,
            high=0.0 - self.low,
            plain_low=0.0 - self.plain_high,
            plain_high=0.0 - self.plain_low,
        )


class Part(NamedTuple):
    """An estimated variance of differences and its degrees of freedom: of one, or an array of many."""

    variance: Floats
    freedom: Floats

    @classmethod
    def of(cls, variance: float, freedom: float) -> Part:
        """That of one difference."""
        return cls(np.asarray(variance, np.float64), np.asarray(freedom, np.float64))


def total(seeds: Part, images: Part, both: Part) -> Part:
    """The variance over seeds and images, from what each makes up and what `both` of them count.

    Never below that of either. Sources: Cornfield and Tukey (1956), Average values of mean squares in
    factorials; Satterthwaite (1946) for the degrees of freedom, of differences of mean squares, too.
    """
    least = np.maximum(seeds.variance, images.variance)
    variance = np.maximum(least, seeds.variance + images.variance - both.variance)
    spread = sum(part.variance**2 / part.freedom for part in (seeds, images, both))
    some = variance > 0
    freedom = np.where(some, variance**2 / np.where(some, spread, 1.0), seeds.freedom)
    return Part(variance, freedom)


def half_width(critical: Callable[[Floats], Floats], seeds: Part, over: Part) -> Floats:
    """Half of an interval `over` seeds and images: so many standard errors as degrees of freedom ask for.

    Never less than over `seeds` alone: the images' mean square has degrees of freedom in plenty, which with
    three seeds would else narrow the interval.
    """
    return np.maximum(*(critical(part.freedom) * np.sqrt(part.variance) for part in (seeds, over)))


def all_over_images(
    comparisons: Comparisons,
    nats: Mapping[str, NDArray[np.floating]],
    seeds: Mapping[str, Sequence[int]],
    level: float | None = None,
) -> dict[Pair, OverImages]:
    """The interval over seeds and images of every ordered pair of the comparisons that can have one.

    `nats` [seeds, images] of each variant are of the same images in the same order, their rows in the order
    of its `seeds`; the comparisons are of their means over images. Left out are pairs that have no interval
    over seeds, such as those of a single seed, and pairs of a variant without nats. `level` is what the
    simultaneous intervals may err in together: that of the look, unless given.

    Raises:
        UserError: for nats of fewer than two images or not of the same number, that are not finite, or have
            not one row a seed.
    """
    if not nats:
        return {}
    _refuse(nats, seeds)
    tables = _Tables.of(nats, seeds)
    level = level_of(comparisons.look) if level is None else level
    found = dict[Pair, OverImages]()
    for (a, b), comparison in comparisons.pairs.items():
        if (b, a) in found:
            found[a, b] = found[b, a].reverse
        elif comparison.error is not None and a in tables.at and b in tables.at:
            found[a, b] = _interval(comparison, *tables.parts(a, b, comparison.blocked), tables.images, level)
    return found


def _refuse(nats: Mapping[str, NDArray[np.floating]], seeds: Mapping[str, Sequence[int]]) -> None:
    images = max((found.shape[-1] for found in nats.values()), default=2)
    for name, found in nats.items():
        expected = (len(seeds[name]), max(images, 2))
        if found.shape != expected or not np.isfinite(found).all():
            raise UserError(
                f"no interval over test images of {name}: expected finite nats of {expected[0]} seeds and "
                f"{expected[1]} images, got an array {list(found.shape)}"
            )


def _interval(
    comparison: Comparison, of_images: Part, of_both: Part, images: int, level: float
) -> OverImages:
    assert comparison.error is not None and comparison.freedom is not None
    of_seeds = Part.of(comparison.error**2, comparison.freedom)
    over = total(of_seeds, of_images, of_both)
    variance, freedom = map(float, over)

    def simultaneous(freedom: Floats) -> Floats:
        return np.asarray(critical_value(comparison, level, float(freedom)))

    half = float(half_width(simultaneous, of_seeds, over))
    plain = float(half_width(lambda freedom: stdtrit(freedom, 0.975), of_seeds, over))
    d = comparison.difference
    share = comparison.error**2 / variance if variance else 1.0
    return OverImages(
        d, math.sqrt(variance), freedom, d - half, d + half, d - plain, d + plain, share, images
    )


@dataclass(frozen=True)
class _Tables:
    """The nats of all variants, and the products from which every pair's mean squares follow.

    `nats` are [seeds, images] with rows in the order of `seeds`, which is ascending; `at` is a variant's
    place. `across` [variants, variants] are products of means over seeds, centred over images; `residuals`
    those of what seeds and images by themselves leave, between variants of the same seeds (elsewhere 0).
    """

    nats: list[Floats]
    seeds: list[tuple[int, ...]]
    at: dict[str, int]
    images: int
    across: Floats
    residuals: Floats

    @classmethod
    def of(cls, nats: Mapping[str, NDArray[np.floating]], seeds: Mapping[str, Sequence[int]]) -> _Tables:
        order = {name: np.argsort(seeds[name]) for name in nats}
        tables = [np.asarray(nats[name], np.float64)[order[name]] for name in nats]
        ascending = [tuple(sorted(seeds[name])) for name in nats]
        images = tables[0].shape[1]
        means = np.array([table.mean(axis=0) for table in tables]).reshape(len(tables), images)
        means -= means.mean(axis=1, keepdims=True)
        residuals = np.zeros((len(tables), len(tables)))
        for same in set(ascending):
            rows = [i for i, found in enumerate(ascending) if found == same]
            left = np.array([_residuals(tables[i]).ravel() for i in rows])
            residuals[np.ix_(rows, rows)] = left @ left.T
        return cls(tables, ascending, {n: i for i, n in enumerate(nats)}, images, means @ means.T, residuals)

    def parts(self, a: str, b: str, blocked: bool) -> tuple[Part, Part]:
        """The images' part of a pair's variance, and that which seeds and images both count.

        Within blocks seeds are compared row by row; elsewhere each variant has seeds of its own.
        """
        i, j = self.at[a], self.at[b]
        if blocked and self.seeds[i] != self.seeds[j]:
            shared = sorted({*self.seeds[i]} & {*self.seeds[j]})
            if len(shared) >= 2:
                return self._of_shared(i, j, shared).parts(a, b, True)
            blocked = False  # they meet by way of others only
        across = _of_difference(self.across, i, j)
        of_images = _mean_square(across, self.images - 1, self.images)
        if blocked:
            return of_images, self._interaction(i, _of_difference(self.residuals, i, j))
        first, second = (self._interaction(k, self.residuals[k, k]) for k in (i, j))
        return of_images, Part(first.variance + second.variance, np.minimum(first.freedom, second.freedom))

    def _interaction(self, of: int, squares: float) -> Part:
        n = len(self.seeds[of])
        return _mean_square(squares, (n - 1) * (self.images - 1), n * self.images)

    def _of_shared(self, i: int, j: int, shared: list[int]) -> _Tables:
        """The tables of two variants with those seeds alone."""
        names = [name for name, k in self.at.items() if k in (i, j)]
        rows = {n: np.isin(self.seeds[self.at[n]], shared) for n in names}
        return _Tables.of({n: self.nats[self.at[n]][rows[n]] for n in names}, dict.fromkeys(names, shared))


def _residuals(table: Floats) -> Floats:
    """What is left of [seeds, images] without the means of seeds and of images."""
    left = table - table.mean(axis=1, keepdims=True)
    return np.asarray(left - left.mean(axis=0), np.float64)


def _of_difference(products: Floats, i: int, j: int) -> float:
    """The sum of squares of i minus j, from the products of all."""
    return max(0.0, float(products[i, i] + products[j, j] - 2 * products[i, j]))


def _mean_square(squares: float, freedom: int, of: int) -> Part:
    """The variance of a mean of so many."""
    return Part.of(squares / freedom / of, freedom)
