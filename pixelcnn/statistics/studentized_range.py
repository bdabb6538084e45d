"""The distribution of the studentized range: the largest of all differences between several equal means.

`scipy.stats.studentized_range` gives the same numbers (the tests hold these to it) at tens of ms each; the
comparison of 40 variants takes 30,000 of them, a simulation millions. Here they are read off a table.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, gammaln, ndtr

Floats = NDArray[np.float64]

_WIDTH = np.linspace(0, 14, 1401)  # in sd; a range of 14 is never seen
_LOG_Q = np.linspace(np.log(1e-3), np.log(1e6), 1600)
_SMALLEST = 1e-14  # rounding of what lies above


def survival(q: Floats, groups: int, freedom: float) -> Floats:
    """P(range of `groups` standard normal means / pooled sd > q), for q of any shape; `freedom` is the sd's.

    For q = sqrt(2) |t| and two groups it is the two-sided p of Student's t. Correct to about 0.1 %, and
    never less than 1e-14.

    Source: Tukey (1953), The problem of multiple comparisons. The integral: Copenhaver and Holland (1988).
    """
    if groups < 2:
        return np.zeros(np.shape(q))
    with np.errstate(divide="ignore"):
        at = np.log(np.asarray(q, np.float64))
    return np.asarray(np.exp(np.interp(at, _LOG_Q, _log_survival(groups, freedom))))


def quantile(p: float, groups: int, freedom: float) -> float:
    """The q that the range exceeds with probability `p`."""
    table = _log_survival(groups, freedom)
    return float(np.exp(np.interp(-np.log(p), -table, _LOG_Q)))


@functools.lru_cache(maxsize=4096)
def _log_survival(groups: int, freedom: float) -> Floats:
    """Log of the survival function at `_LOG_Q`: that of known sd, averaged over what the sd may be."""
    half = freedom / 2
    # Trapezoids in log s, where the density of the pooled sd s is a smooth bump: they converge exponentially.
    low, high = (np.log(gammaincinv(half, p) / half) / 2 for p in (1e-12, 1 - 1e-12))
    x = np.linspace(low, high, 120)
    density = np.exp(np.log(2) + half * np.log(half) - gammaln(half) + freedom * x - half * np.exp(2 * x))
    weights = density / density.sum()
    widths = np.exp(_LOG_Q[:, None] + x)
    values = np.interp(widths, _WIDTH, _survival_at_known_sd(groups), right=0.0) @ weights
    return np.asarray(np.log(np.maximum(values, _SMALLEST)))


@functools.lru_cache(maxsize=256)
def _survival_at_known_sd(groups: int) -> Floats:
    """P(range of standard normal values > width) at `_WIDTH`."""
    step, lowest, between = _between()
    within = groups * np.sum(lowest * between ** (groups - 1), axis=1) * step
    return np.asarray(np.clip(1 - within, 0, 1))


@functools.lru_cache(maxsize=1)
def _between() -> tuple[float, Floats, Floats]:
    """Step of a grid of highest values z, density of z, and P(z - width < another value < z) [width, z]."""
    z, step = np.linspace(-9, 9, 361, retstep=True)
    return float(step), np.exp(-z * z / 2) / np.sqrt(2 * np.pi), ndtr(z) - ndtr(z - _WIDTH[:, None])
