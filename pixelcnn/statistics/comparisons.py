"""All comparisons between the variants of a table variant x seed: differences, intervals, p, verdicts.

docs/statistics.md says what is assumed and why; `compare` is the only thing that a caller needs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from pixelcnn.statistics.analysis import ROUNDING, Analysis, Variances, analyse
from pixelcnn.statistics.layout import Layout, lay_out
from pixelcnn.statistics.levels import SIGNIFICANCE, holm, level_of
from pixelcnn.statistics.studentized_range import quantile
from pixelcnn.system.errors import UserError

Floats = NDArray[np.float64]

Verdict = Literal["equivalent", "better", "worse", "undecided"]
Form = Literal["common error", "own errors", "baseline"]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Comparison:
    """By how much a first variant exceeds a second, in the unit of the values.

    [`low`, `high`] is the simultaneous interval: that all of a table's hold their true difference has a
    chance of 95 % at least. [`plain_low`, `plain_high`] is the 95 % interval of this difference alone,
    `plain_p` its two-sided p; `p` is adjusted for all comparisons and for the look. `error` is the
    standard error, with `freedom` degrees of freedom; `critical` times it is half the simultaneous
    interval. `form` says whose error it is: common to all variants; one for each, drawn towards the common
    one; or that of a comparison with a baseline. `family` counts the variants compared with each other, or
    the comparisons with baselines. `n` counts values of each. Where one has fewer than two, all of these
    are None and so is the verdict.
    """

    difference: float
    n: tuple[int, int]
    blocked: bool = False
    low: float | None = None
    high: float | None = None
    plain_low: float | None = None
    plain_high: float | None = None
    p: float | None = None
    plain_p: float | None = None
    error: float | None = None
    freedom: float | None = None
    critical: float | None = None
    form: Form | None = None
    family: int | None = None
    margin: float = 0.0
    lower_is_better: bool = True

    @property
    def sign(self) -> Literal["lower", "higher"] | None:
        """Whether the first is certainly lower or higher than the second; None if neither is certain."""
        if self.p is None or self.p >= SIGNIFICANCE:
            return None
        return "lower" if self.difference < 0 else "higher"

    @property
    def verdict(self) -> Verdict | None:
        """The first that holds: equivalent (the interval within the margin), better or worse, undecided."""
        if self.low is None or self.high is None:
            return None
        if self.error == self.difference == 0:
            return "equivalent"
        if -self.margin < self.low and self.high < self.margin:
            return "equivalent"
        if self.sign is None:
            return "undecided"
        return "better" if (self.sign == "lower") == self.lower_is_better else "worse"

    @property
    def stepwise(self) -> bool:
        """Whether the sign is certain though the simultaneous interval holds zero: by the step-down test."""
        return self.sign is not None and self.low is not None and self.low <= 0 <= (self.high or 0.0)

    @property
    def reverse(self) -> Comparison:
        """Second minus first."""

        def minus(value: float | None) -> float | None:
            return None if value is None else 0.0 - value  # a minus alone would make -0.0 of nothing

        return replace(
            self,
            difference=0.0 - self.difference,
            n=self.n[::-1],
            low=minus(self.high),
            high=minus(self.low),
            plain_low=minus(self.plain_high),
            plain_high=minus(self.plain_low),
        )


@dataclass(frozen=True)
class Comparisons:
    """The comparison of every ordered pair of variants of one table.

    `form` is how errors were taken (None where nothing could be compared). The common standard deviation of
    a value around its variant's mean, by which pairs of networks are judged that are not blocked, is `sd`;
    `sd_in_blocks` is that around what variant and seed lead one to expect, by which blocked ones are. Each
    is None where no pair of networks is judged so. If `coherent`, no two variants are told apart that lie,
    in the ranking, between two that are not, and better is transitive; else it may be otherwise. `look` is
    the number of the look.
    """

    pairs: dict[Pair, Comparison]
    form: Form | None
    sd: float | None
    sd_in_blocks: float | None
    coherent: bool
    look: int

    def __getitem__(self, pair: Pair) -> Comparison:
        return self.pairs[pair]


def compare(
    values: Mapping[str, Mapping[int, float]],
    *,
    data_order: Mapping[str, Hashable],
    baselines: Collection[str] = (),
    margin: float = 0.0,
    lower_is_better: bool = True,
    look: int = 1,
) -> Comparisons:
    """Every variant against every other, each with a value by seed.

    Equal seeds of variants whose `data_order` is equal (and not None) are one block. `baselines` stay out
    of the common error, and comparisons with them are a family of their own. Differences within `margin`
    count as none. `look` is 2 where these seeds were added after a report on some of them, 3 after two
    such reports, and so on.

    Raises:
        UserError: for a value that is not finite, a variant without any, or a look before the first.
    """
    _refuse(values)
    level = level_of(look)
    tested = {name: found for name, found in values.items() if len(found) >= 2}
    networks = {name: list(found) for name, found in tested.items() if name not in baselines}
    layout = lay_out(networks, data_order)
    table = np.array([[values[name][seed] for name, seed in layout.cells]])
    analysis = analyse(layout, table) if layout.contrasts else None
    form: Form | None = None
    if analysis:
        form = "common error" if analysis.common[0] else "own errors"
    found = _among_networks(layout, analysis, values, level) if analysis else {}
    found |= _with_baselines(layout, table, tested, baselines, level, form == "own errors")
    pairs = dict[Pair, Comparison]()
    for a, b in combinations(values, 2):
        single = found.get((a, b)) or _untested(values[a], values[b])
        single = replace(single, margin=margin, lower_is_better=lower_is_better)
        pairs[a, b], pairs[b, a] = single, single.reverse
    sd = {blocked: math.sqrt(found[0]) for blocked, found in analysis.scatter.items()} if analysis else {}
    coherent = form == "common error" and layout.balanced
    return Comparisons(pairs, form, sd.get(False), sd.get(True), coherent, look)


def compare_with_zero(values: Sequence[Mapping[int, float]], *, look: int = 1) -> list[Comparison]:
    """Each group's mean against nothing, such as what it has more than a guess; a family of their own.

    By Student's t, with Holm's p and Bonferroni's intervals; groups of fewer than two values are not tested.

    Sources: Student (1908), The probable error of a mean. Holm (1979), A simple sequentially rejective
    multiple test procedure.
    """
    level = level_of(look)
    tested = [i for i, group in enumerate(values) if len(group) >= 2]
    found = {}
    for i in tested:
        group = np.array(list(values[i].values()))
        error = float(group.std(ddof=1)) / math.sqrt(len(group))
        if error <= ROUNDING * float(np.abs(group).max()):
            error = 0.0
        found[i] = _comparison(
            float(group.mean()), error, len(group) - 1.0,
            level=level, family=len(tested), n=(len(group), len(group)), form="baseline",
        )  # fmt: skip
    adjusted = holm([found[i].plain_p or 0.0 for i in tested])
    for i, p in zip(tested, adjusted, strict=True):
        found[i] = replace(found[i], p=min(1.0, p * SIGNIFICANCE / level))
    return [
        found.get(i) or Comparison(fmean(group.values()), (len(group), len(group)))
        for i, group in enumerate(values)
    ]


def _refuse(values: Mapping[str, Mapping[int, float]]) -> None:
    for name, found in values.items():
        if not found or not all(map(math.isfinite, found.values())):
            raise UserError(
                f"cannot compare {name}: its values are {list(found.values())}, not finite numbers"
            )


def _among_networks(
    layout: Layout, analysis: Analysis, values: Mapping[str, Mapping[int, float]], level: float
) -> dict[Pair, Comparison]:
    """The comparisons of all variants that are no baselines, in the order of the layout."""
    found = {}
    for at, (i, j) in enumerate(layout.pairs):
        a, b = layout.names[i], layout.names[j]
        freedom = float(analysis.freedom[0, at])
        found[a, b] = _comparison(
            float(analysis.difference[0, at]),
            float(analysis.error[0, at]),
            freedom,
            level=level,
            family=len(layout.names),
            p=min(1.0, float(analysis.stepped[0, at]) * SIGNIFICANCE / level),
            n=(len(values[a]), len(values[b])),
            blocked=layout.contrasts[at].blocked,
            form="common error" if analysis.common[0] else "own errors",
        )
    return found


def _with_baselines(
    layout: Layout,
    table: Floats,
    tested: Mapping[str, Mapping[int, float]],
    baselines: Collection[str],
    level: float,
    own: bool,
) -> dict[Pair, Comparison]:
    """The comparisons with baselines: each with its own variance, the networks with theirs of the table.

    Sources: Satterthwaite (1946) for the degrees of freedom; Holm (1979) for p, Bonferroni for intervals.
    """
    pairs = [pair for pair in combinations(tested, 2) if set(pair) & set(baselines)]
    if not pairs:
        return {}
    of_mean = dict[str, tuple[float, float]]()  # variance of the mean, and its degrees of freedom
    for name in tested:
        n = len(tested[name])
        if name in baselines:
            of_mean[name] = (float(np.var(list(tested[name].values()), ddof=1)) / n, n - 1.0)
        else:
            weights = (np.array(layout.names) == name) / n
            squares, nu = Variances.of(layout, table, blocked=False).of_contrast(weights, own)
            of_mean[name] = float(squares[0]), nu
    found = []
    for a, b in pairs:
        (first, nu), (second, mu) = of_mean[a], of_mean[b]
        variance = first + second
        freedom = variance**2 / (first**2 / nu + second**2 / mu) if variance else nu + mu
        found.append(
            _comparison(
                fmean(tested[a].values()) - fmean(tested[b].values()),
                math.sqrt(variance),
                freedom,
                level=level,
                family=len(pairs),
                n=(len(tested[a]), len(tested[b])),
                form="baseline",
            )
        )
    adjusted = holm([comparison.plain_p or 0.0 for comparison in found])
    return {
        pair: replace(comparison, p=min(1.0, p * SIGNIFICANCE / level))
        for pair, comparison, p in zip(pairs, found, adjusted, strict=True)
    }


def _comparison(
    difference: float,
    error: float,
    freedom: float,
    *,
    level: float,
    family: int,
    n: tuple[int, int],
    form: Form,
    p: float | None = None,
    blocked: bool = False,
) -> Comparison:
    """A comparison by its standard error; at none there is no chance left that could explain it."""
    plain = float(stdtrit(freedom, 0.975)) * error
    critical = _critical_value(form, family, level, freedom)
    half = critical * error
    if error > 0:
        plain_p = 2 * float(stdtr(freedom, -abs(difference) / error))
    else:
        plain_p = p = 0.0 if difference else 1.0
    return Comparison(
        difference, n, blocked, difference - half, difference + half, difference - plain, difference + plain,
        p, plain_p, error, freedom, critical, form, family,
    )  # fmt: skip


def critical_value(comparison: Comparison, level: float, freedom: float) -> float:
    """How many standard errors the simultaneous interval of such a comparison would reach to either side."""
    assert comparison.form is not None and comparison.family is not None
    return _critical_value(comparison.form, comparison.family, level, freedom)


def _critical_value(form: Form, family: int, level: float, freedom: float) -> float:
    if form == "baseline":
        return float(stdtrit(freedom, 1 - level / 2 / family))
    return quantile(level, family, freedom) / math.sqrt(2)


def _untested(first: Mapping[int, float], second: Mapping[int, float]) -> Comparison:
    return Comparison(fmean(first.values()) - fmean(second.values()), (len(first), len(second)))
