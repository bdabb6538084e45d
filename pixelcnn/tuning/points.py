"""Points of a space: the first of a scrambled Sobol sequence, which fill it more evenly than random ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pixelcnn.config.tuning import Dimension

#: Scrambles the sequence: the same points for everyone who asks for the same space.
SCRAMBLE_SEED = 0
#: Digits that a value is rounded to, so that it can be read.
DIGITS = 4


def unit_points(n: int, dimensions: int) -> list[list[float]]:
    """The first `n` points of the sequence in the unit cube; a larger `n` begins with the same."""
    from scipy.stats import qmc  # only here: it takes a second to import

    sampler = qmc.Sobol(dimensions, scramble=True, rng=SCRAMBLE_SEED)
    points: list[list[float]] = sampler.random_base2(max(0, math.ceil(math.log2(n)))).tolist()
    return points[:n]


def value_at(dimension: Dimension, place: float, *, whole: bool) -> Any:
    """What a place in [0, 1) stands for; of a range that takes no fractions the nearest `whole` number.

    Choices have equal shares of the interval.
    """
    if dimension.choices is not None:
        return dimension.choices[int(place * len(dimension.choices))]
    low, high = _bounds(dimension)
    if dimension.scale == "log":
        value = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
    else:
        value = low + place * (high - low)
    if whole:
        return min(max(round(value), math.ceil(low)), math.floor(high))
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)


def points(space: dict[str, Dimension], n: int, whole: Sequence[str]) -> list[dict[str, Any]]:
    """The first `n` points of a space, key -> value; the keys in `whole` take no fractions."""
    return [
        {key: value_at(space[key], at, whole=key in whole) for key, at in zip(space, point, strict=True)}
        for point in unit_points(n, len(space))
    ]


def _bounds(dimension: Dimension) -> tuple[float, float]:
    assert dimension.low is not None and dimension.high is not None  # or it has choices
    return dimension.low, dimension.high
