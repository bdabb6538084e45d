"""The numbers behind a claim about two variants: from their seeds or, for times, from rounds of timings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean, geometric_mean

from pixelcnn.report.claims import Claim, TimeMeasure
from pixelcnn.report.collect import Run
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.pairs import share_data_order
from pixelcnn.report.words import in_words
from pixelcnn.results.metric import Metric, Source
from pixelcnn.statistics.differences import Difference, difference
from pixelcnn.statistics.ratios import Ratio, ratio_interval

#: What must agree before the times of two variants compare.
ALIKE = ("device", "host", "threads", "precision", "batch_size")

#: What is said of a variant whose runs lack the record of a metric, unless the metric says it.
MISSING: dict[Source, str] = {
    "test": "has no test results",
    "training": "has no record of a training",
    "analysis": "was not analysed",
    "history": "has no history",
}


@dataclass(frozen=True)
class Evidence:
    """How a variant differs from another, or from a guess where `other` is None; or `why` nobody knows.

    `means` are those of the two sides, in the unit that words tell them in, or in seconds.
    """

    subject: VariantResult
    other: VariantResult | None = None
    means: tuple[float, float] = (0.0, 0.0)
    difference: Difference | None = None
    ratio: Ratio | None = None
    why: str = ""


def weigh(claim: Claim, subject: VariantResult, other: VariantResult | None) -> Evidence:
    """What speaks for a claim about these two, or about one and the guess of the claim."""
    if isinstance(claim.measure, TimeMeasure):
        return over_rounds(claim.measure, subject, other)
    return _over_seeds(claim.measure, subject, other, claim.guess)


def _over_seeds(
    metric: Metric,
    subject: VariantResult,
    other: VariantResult | None,
    guess: Callable[[Run], float | None] | None,
) -> Evidence:
    bare = Evidence(subject, other)
    first = _in_words(metric, subject.by_seed(metric))
    if other is not None:
        second, paired = _in_words(metric, other.by_seed(metric)), share_data_order(subject, other)
    else:
        second, paired = _in_words(metric, _guesses(subject, guess)), True
    for side, values in ((subject, first), (other, second)):
        if not values:
            return replace(bare, why=_why_not(side, metric))
    found = difference(first, second, paired=paired)
    if metric.counted and found.low == found.high:
        # Counts can agree by chance, where a number without rounding would differ: no spread to judge by.
        found = replace(found, low=None, high=None, p=None, p_holm=None)
    if found.paired:  # the means of what was compared
        shared = first.keys() & second.keys()
        first, second = ({seed: values[seed] for seed in shared} for values in (first, second))
    return replace(bare, means=(fmean(first.values()), fmean(second.values())), difference=found)


def _in_words(metric: Metric, values: dict[int, float]) -> dict[int, float]:
    return {seed: in_words(metric).factor * value for seed, value in values.items()}


def _guesses(result: VariantResult, guess: Callable[[Run], float | None] | None) -> dict[int, float]:
    found = {run.spec.seed: guess(run) for run in result.variant.finished} if guess else {}
    return {seed: value for seed, value in found.items() if value is not None and math.isfinite(value)}


def _why_not(side: VariantResult | None, metric: Metric) -> str:
    if side is None:
        return "nothing says what a guess would reach"
    missing = (metric.spoken.missing if metric.spoken else "") or MISSING[metric.source]
    return f"{side.name} {missing if side.n else 'has no finished run'}"


def over_rounds(measure: TimeMeasure, subject: VariantResult, other: VariantResult | None) -> Evidence:
    """How many times as long the one takes as the other."""
    bare, costs = Evidence(subject, other), []
    for side in (subject, other):
        cost = side.variant.cost if side else None
        if side is None or cost is None or not measure.of(cost):
            whose = side.name if side else "a guess"
            return replace(bare, why=f"the {measure.name} of {whose} was not timed")
        costs.append(cost)
    first, second = costs
    unlike = [key for key in ALIKE if getattr(first, key) != getattr(second, key)]
    if unlike:
        key = unlike[0]
        how = f"{getattr(first, key)} and {getattr(second, key)}"
        return replace(bare, why=f"they were timed under different conditions ({key}: {how})")
    times = measure.of(first), measure.of(second)
    means = geometric_mean(times[0]), geometric_mean(times[1])
    return replace(bare, means=means, ratio=ratio_interval(*times))
