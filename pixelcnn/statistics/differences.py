"""Differences between two groups of values, and between all pairs of several: intervals and tests.

Values are taken for independent and normally distributed, which a few of them cannot check.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from scipy.special import stdtr, stdtrit

from pixelcnn.statistics.summary import summarize

#: A difference is called real where its corrected p is below this.
SIGNIFICANCE = 0.05

#: Values that agree to this share of their size differ by rounding only.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """How much a first group of values exceeds a second, in their unit.

    [`low`, `high`] is the t-interval of this difference alone and `p` its two-sided test; both are None
    where there are fewer than two values to judge by. `p_holm` is corrected for all tests of its family, so
    an interval may leave out zero where the verdict is a tie. `n` counts the values of each, those of
    shared keys if `paired`.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    n: tuple[int, int]
    paired: bool

    @property
    def verdict(self) -> Literal["lower", "higher", "tie"] | None:
        """Whether the first is lower or higher than the second; None if there are too few for a test."""
        if self.p_holm is None:
            return None
        if self.p_holm >= SIGNIFICANCE:
            return "tie"
        return "lower" if self.mean < 0 else "higher"

    @property
    def reverse(self) -> Difference:
        """Second minus first."""
        low = None if self.high is None else 0.0 - self.high  # a minus alone would make -0.0 of nothing
        high = None if self.low is None else 0.0 - self.low
        return replace(self, mean=0.0 - self.mean, low=low, high=high, n=self.n[::-1])


def difference(
    first: Mapping[int, float], second: Mapping[int, float], *, paired: bool, confidence: float = 0.95
) -> Difference:
    """First minus second, each a value by key, such as its seed: Student's paired t, or Welch's.

    `paired` takes the differences at the shared keys and leaves the others out; with fewer than two
    shared ones it cannot, and Welch's test, which takes every value, stands in (`Difference.paired` says so).
    As the only test of its family it has p_holm = p.

    Where the values of each do not vary the interval is the difference itself, and p is 0, or 1 for equal
    values: there is no chance left that could explain it.

    Sources: Student (1908), The probable error of a mean. Welch (1947), The generalization of 'Student's'
    problem when several different population variances are involved.

    The t distribution is scipy's. `scipy.stats.ttest_ind` and `ttest_rel` give the same numbers, to which
    the tests hold these, but warn at one deterministic variant and give NaN for two.

    Raises:
        UserError: if one has no value, or one that is not finite.
    """
    shared = sorted(first.keys() & second.keys())
    size = max(map(abs, (*first.values(), *second.values())), default=0.0)
    if paired and len(shared) >= 2:
        d = summarize(first[seed] - second[seed] for seed in shared)
        assert d.sd is not None
        return _tested(d.mean, d.sd / math.sqrt(d.n), d.n - 1, (d.n, d.n), True, confidence, size)
    a, b = summarize(first.values()), summarize(second.values())
    if a.sd is None or b.sd is None:
        return Difference(a.mean - b.mean, None, None, None, None, (a.n, b.n), False)
    error = math.hypot(a.sd / math.sqrt(a.n), b.sd / math.sqrt(b.n))
    share = 0.0 if error == 0 else (a.sd / error) ** 2 / a.n  # of the variance, that is due to the first
    freedom = 1 / (share**2 / (a.n - 1) + (1 - share) ** 2 / (b.n - 1))  # Welch (1947), Satterthwaite (1946)
    return _tested(a.mean - b.mean, error, freedom, (a.n, b.n), False, confidence, size)


def _tested(
    mean: float,
    error: float,
    freedom: float,
    n: tuple[int, int],
    paired: bool,
    confidence: float,
    size: float,
) -> Difference:
    """The t-test of a mean with its standard error, of values of about this `size`."""
    if error <= ROUNDING * size:
        mean, p = (0.0, 1.0) if abs(mean) <= ROUNDING * size else (mean, 0.0)
        return Difference(mean, mean, mean, p, p, n, paired)
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(mean) / error))
    return Difference(mean, mean - half, mean + half, p, p, n, paired)


def compare_all(
    values: Mapping[str, Mapping[int, float]], paired: Callable[[str, str], bool]
) -> dict[tuple[str, str], Difference]:
    """The difference of every ordered pair of groups, each of values by key.

    The family of Holm's correction are all unordered pairs that can be tested.
    """
    pairs = list(combinations(values, 2))
    single = [difference(values[a], values[b], paired=paired(a, b)) for a, b in pairs]
    both: dict[tuple[str, str], Difference] = {}
    for (a, b), found in zip(pairs, correct(single), strict=True):
        both[a, b], both[b, a] = found, found.reverse
    return both


def correct(family: Sequence[Difference]) -> list[Difference]:
    """The same differences with `p_holm` corrected for each other; untestable ones do not count."""
    corrected = iter(holm([d.p for d in family if d.p is not None]))
    return [d if d.p is None else replace(d, p_holm=next(corrected)) for d in family]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's corrected p of each test: below 0.05 in any of them with a chance of 5 % if all is noise.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests  # half a second, with the scipy.stats it loads

    return [float(p) for p in multipletests(p_values, method="holm")[1]]
