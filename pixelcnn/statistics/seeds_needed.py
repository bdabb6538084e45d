"""How many more seeds would decide a comparison that is undecided."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from scipy.special import nctdtr, ndtr

from pixelcnn.statistics.comparisons import Comparison, critical_value
from pixelcnn.statistics.levels import level_of

#: The chance to decide that seeds are counted for, and the most seeds of a variant that are in reach.
POWER = 0.8
IN_REACH = 100


@dataclass(frozen=True)
class SeedsNeeded:
    """So many `more` seeds of every variant, and what they would decide: better or worse, or equivalent."""

    more: int
    decides: Literal["difference", "equivalence"]


def seeds_needed(comparison: Comparison, *, look: int = 2) -> SeedsNeeded | None:
    """The fewest more seeds that decide a true difference of the size seen, with a chance of 80 %, or None.

    None says that a hundred seeds would not, or that fewer than two values leave nothing to count by.
    `look` is that of the report which will have them. All variants get them; then the standard error
    falls with the root of their number n, and the degrees of freedom grow with n - 1. A difference is found
    with the chance that a noncentral t exceeds the critical value of the simultaneous intervals
    (Johnson and Welch 1940, Applications of the non-central t-distribution); that the interval lies within
    the margin is reckoned with the standard error as it will be on average.

    The size seen is itself uncertain, so the number is an order of magnitude, and too small for the
    differences that look large by luck.

    Raises:
        UserError: for a look before the first.
    """
    level = level_of(look)
    if comparison.error is None or comparison.freedom is None:
        return None
    reachable = range(1, IN_REACH - min(comparison.n) + 1)
    at = bisect_left(reachable, POWER, key=lambda more: max(_chances(comparison, more, level)))
    if at == len(reachable):
        return None
    difference, equivalence = _chances(comparison, reachable[at], level)
    return SeedsNeeded(reachable[at], "difference" if difference >= equivalence else "equivalence")


def _chances(comparison: Comparison, more: int, level: float) -> tuple[float, float]:
    """Of a difference to be found, and of equivalence, with so many more seeds: both grow with them."""
    assert comparison.error is not None and comparison.freedom is not None
    n = min(comparison.n)
    error = comparison.error * math.sqrt(n / (n + more))
    freedom = comparison.freedom * (n + more - 1) / (n - 1)
    critical = critical_value(comparison, level, freedom)
    return (
        _found(comparison.difference, error, freedom, critical),
        _within(comparison.difference, error, critical, comparison.margin),
    )


def _found(difference: float, error: float, freedom: float, critical: float) -> float:
    """The chance that the simultaneous interval leaves out zero."""
    if error == 0:
        return float(difference != 0)
    shift = abs(difference) / error
    return 1 - _noncentral_t(critical, freedom, shift) + _noncentral_t(-critical, freedom, shift)


def _noncentral_t(at: float, freedom: float, shift: float) -> float:
    """Its distribution function; where scipy's underflows to NaN, far from the shift, that is 0 or 1."""
    chance = float(nctdtr(freedom, shift, at))
    return float(at > shift) if math.isnan(chance) else chance


def _within(difference: float, error: float, critical: float, margin: float) -> float:
    """The chance that it lies within the margin."""
    room = margin - critical * error
    if room <= 0 or error == 0:
        return float(room > abs(difference))
    return float(ndtr((room - difference) / error) - ndtr((-room - difference) / error))
