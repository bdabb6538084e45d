"""Ratios of two groups of positive values, such as times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from pixelcnn.statistics.summary import summarize
from pixelcnn.system.errors import UserError


@dataclass(frozen=True)
class Ratio:
    """How many times as large a first group is as a second; one value each gives no interval."""

    value: float
    low: float | None
    high: float | None
    n: tuple[int, int]


def ratio_interval(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Ratio:
    """Ratio of the typical times of two things, from rounds of timings of each.

    The ratio of geometric means, with Welch's t-interval on the logarithms: times vary by factors, and so
    a against b is the reciprocal of b against a. Percentile bootstraps are too narrow for a handful of
    rounds: of means they cover 80 % with three normal rounds of each, 88 % with five (2,000 simulations).
    It speaks of the rounds of these two measurements, not of other machines.

    Source: Welch (1947), The generalization of 'Student's' problem when several different population
    variances are involved.

    Raises:
        UserError: if one has no round, or a time that is not above zero.
    """
    if any(not value > 0 for value in (*first, *second)):
        raise UserError(f"cannot take ratios of times that are not above zero: {[*first, *second]}")
    a, b = (summarize(math.log(value) for value in times) for times in (first, second))
    ratio, n = math.exp(a.mean - b.mean), (a.n, b.n)
    if a.sd is None or b.sd is None:
        return Ratio(ratio, None, None, n)
    parts = a.sd**2 / a.n, b.sd**2 / b.n
    if not sum(parts):
        return Ratio(ratio, ratio, ratio, n)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (a.n - 1) + parts[1] ** 2 / (b.n - 1))
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(sum(parts))
    return Ratio(ratio, math.exp(a.mean - b.mean - half), math.exp(a.mean - b.mean + half), n)
