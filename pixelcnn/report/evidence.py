"""The numbers behind a claim about two variants: from their seeds or, for times, from rounds of timings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, geometric_mean

from pixelcnn.report.claims import Claim, TimeMeasure
from pixelcnn.report.collect import Run
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.differences import Differences
from pixelcnn.report.words import in_words
from pixelcnn.results.metric import Metric, Source
from pixelcnn.statistics.comparisons import Comparison, compare_with_zero
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

    `means` are those of the two sides, in the unit that words tell them in, or in seconds. `same` says that
    both have equal values at every seed; `excess` is, by seed, what the variant has more than a guess.
    """

    subject: VariantResult
    other: VariantResult | None = None
    means: tuple[float, float] = (0.0, 0.0)
    difference: Comparison | None = None
    ratio: Ratio | None = None
    why: str = ""
    same: bool = False
    excess: dict[int, float] = field(default_factory=dict)


def weigh(
    claim: Claim, subject: VariantResult, other: VariantResult | None, differences: Differences
) -> Evidence:
    """What speaks for a claim about these two; without an other, what a guess would reach is subtracted."""
    if isinstance(claim.measure, TimeMeasure):
        return over_rounds(claim.measure, subject, other)
    if other is None:
        return _over_guess(claim.measure, subject, claim.guess)
    return _over_seeds(claim.measure, subject, other, differences)


def _over_seeds(
    metric: Metric, subject: VariantResult, other: VariantResult, differences: Differences
) -> Evidence:
    bare = Evidence(subject, other)
    sides = [_in_words(metric, side.by_seed(metric)) for side in (subject, other)]
    for side, values in zip((subject, other), sides, strict=True):
        if not values:
            return replace(bare, why=_why_not(side, metric))
    found = _usable(metric, differences.of(metric)[subject.name, other.name])
    shared = sides[0].keys() & sides[1].keys()
    same = bool(shared) and all(sides[0][seed] == sides[1][seed] for seed in shared)
    means = (fmean(sides[0].values()), fmean(sides[1].values()))
    return replace(bare, means=means, difference=found, same=same and len(shared) >= 2)


def _over_guess(
    metric: Metric, subject: VariantResult, guess: Callable[[Run], float | None] | None
) -> Evidence:
    """What a variant has more than a guess, seed by seed; all claims of this kind are tested together."""
    bare = Evidence(subject)
    values, guesses = _in_words(metric, subject.by_seed(metric)), _in_words(metric, _guesses(subject, guess))
    for side, found in ((subject, values), (None, guesses)):
        if not found:
            return replace(bare, why=_why_not(side, metric))
    seeds = values.keys() & guesses.keys()
    if not seeds:
        return replace(bare, why=_why_not(None, metric))
    excess = {seed: values[seed] - guesses[seed] for seed in seeds}
    means = (fmean(values[seed] for seed in seeds), fmean(guesses[seed] for seed in seeds))
    return replace(bare, means=means, excess=excess)


def tested_together(weighed: Sequence[tuple[Claim, Evidence]], look: int) -> list[tuple[Claim, Evidence]]:
    """The same, with the differences of those that stand against a guess."""
    found = iter(compare_with_zero([e.excess for _, e in weighed if e.excess], look=look))
    return [
        (c, replace(e, difference=_usable(c.measure, next(found))) if e.excess else e) for c, e in weighed
    ]


def _usable(measure: Metric | TimeMeasure, found: Comparison) -> Comparison:
    """Counts can agree by chance, where a number without rounding would differ: no spread to judge by."""
    counted = isinstance(measure, Metric) and measure.counted
    return Comparison(found.difference, found.n) if counted and found.error == 0 else found


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
