"""The claims of `report.claims`, answered from the runs of a dataset, and the sentences that come first.

A claim is answered for each pair of variants that it fits, from their seeds or, for times, from rounds of
timings:

- *supported*: the difference is in the expected direction and certain, p < 0.05;
- *contradicted*: it is certain and in the opposite direction;
- *not supported*: there is none at any seed, or the variants are equivalent;
- *undecided*: the seeds do not tell it from zero, or are too few;
- *not measured*: there is nothing to compare with, no number, or none that compares.

A difference of NLL is that of the matrix of pairs, with its interval and its p; one of another metric comes
from the same kind of analysis of all variants that have the metric. Claims against a guess are tested
together, by Holm. Times stand apart: their rounds are no seeds, and a ratio of times counts as certain where
its 95 % interval leaves out 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pixelcnn.report.claims import CLAIMS, Claim, TimeMeasure
from pixelcnn.report.differences import Differences
from pixelcnn.report.evidence import Evidence, tested_together, weigh
from pixelcnn.report.words import (
    SECONDS,
    amount,
    in_words,
    lower_or_higher,
    n_words,
    numbers,
    p_words,
    seconds,
)
from pixelcnn.results.metric import Metric
from pixelcnn.statistics.comparisons import Comparison
from pixelcnn.statistics.ratios import Ratio

Verdict = Literal["supported", "contradicted", "not supported", "undecided", "not measured"]


@dataclass(frozen=True)
class Finding:
    """The answer to a claim about `subject`; `against` is None for a guess, or where nothing compares.

    What stands behind it is a `difference` over seeds or a `ratio` of times, and None where there is neither.
    `means` are those of the two sides, in `unit`, of times geometric; `step` is the unit of their difference.
    """

    claim: str
    question: str
    subject: str
    against: str | None
    verdict: Verdict
    sentence: str
    measure: str
    unit: str
    step: str
    means: tuple[float, float] | None = None
    difference: Comparison | None = None
    ratio: Ratio | None = None


def find(differences: Differences, claims: Sequence[Claim] = CLAIMS) -> list[Finding]:
    """The answers to the claims that are about a variant of one dataset."""
    weighed = [(claim, evidence) for claim in claims for evidence in _evidence(claim, differences)]
    return [answer(claim, evidence) for claim, evidence in tested_together(weighed, differences.look.number)]


def _evidence(claim: Claim, differences: Differences) -> Iterator[Evidence]:
    results = differences.results
    for subject in (r for r in results if claim.subject(r.variant.spec)):
        if claim.against is None:
            yield weigh(claim, subject, None, differences)
            continue
        others = [
            r for r in results if r is not subject and claim.against(subject.variant.spec, r.variant.spec)
        ]
        if not others and claim.other:
            yield Evidence(subject, why=f"this benchmark has no {claim.other}")
        for other in others:
            yield weigh(claim, subject, other, differences)


def answer(claim: Claim, evidence: Evidence) -> Finding:
    """The verdict and its sentence."""
    subject, other, measure = evidence.subject, evidence.other, claim.measure
    verdict: Verdict = "not measured"
    if evidence.difference and isinstance(measure, Metric):
        verdict = _verdict(claim, evidence.difference)
        sentence = _difference_sentence(evidence, measure, evidence.difference)
    elif evidence.ratio and isinstance(measure, TimeMeasure):
        verdict, direction = "undecided", _ratio_direction(evidence.ratio)
        if direction in ("lower", "higher"):
            verdict = "supported" if direction == claim.expected else "contradicted"
        sentence = _ratio_sentence(evidence, measure, evidence.ratio)
    else:
        sentence = f"Not measured: {evidence.why}."
    told = in_words(measure) if isinstance(measure, Metric) else SECONDS
    notes = [claim.note(subject) if claim.note else "", _meaning(measure)]
    return Finding(
        claim=claim.text,
        question=claim.question,
        subject=subject.name,
        against=other.name if other else None,
        verdict=verdict,
        sentence=" ".join([sentence, *filter(None, notes)]),
        measure=measure.key if isinstance(measure, Metric) else measure.name,
        unit=told.unit,
        step=told.step,
        means=evidence.means if evidence.difference or evidence.ratio else None,
        difference=evidence.difference,
        ratio=evidence.ratio,
    )


def _verdict(claim: Claim, d: Comparison) -> Verdict:
    if d.sign:
        return "supported" if d.sign == claim.expected else "contradicted"
    return "not supported" if d.verdict == "equivalent" else "undecided"


def _meaning(measure: Metric | TimeMeasure) -> str:
    """A sentence for who does not know the number."""
    if isinstance(measure, TimeMeasure) or not measure.spoken or not measure.spoken.subject:
        return ""
    return f"{measure.spoken.subject} is {measure.meaning}."


def _ratio_direction(ratio: Ratio) -> Literal["lower", "higher"] | None:
    if ratio.low is None or ratio.high is None or ratio.low <= 1 <= ratio.high:
        return None
    return "lower" if ratio.value < 1 else "higher"


def _difference_sentence(evidence: Evidence, metric: Metric, d: Comparison) -> str:
    told, digits = in_words(metric), metric.digits
    name = metric.spoken.name if metric.spoken else metric.label
    rival = f"that of {evidence.other.name}" if evidence.other else "by guessing"
    mine, theirs = (f"{mean:.{digits}f} {told.unit}" for mean in evidence.means)
    subject = f"The {name} of {evidence.subject.name} is {mine}"
    if evidence.same:
        by_chance = "" if d.verdict == "equivalent" else " Undecided: it can be so by chance."
        return f"{subject}, equal to {rival} at every seed.{by_chance}"
    size = f"{amount(d.difference, digits)} {told.step} {lower_or_higher(d.difference)}"
    if abs(evidence.means[0] - evidence.means[1] - d.difference) > 10**-digits:
        size += ", seed by seed,"  # where they do not have the same seeds
    head = f"{subject}, {size} than {rival}, {theirs}"
    if d.p is None:
        why = f"there is no test with {n_words(d)}; it takes two seeds of each variant"
        if min(d.n) >= 2:
            why = f"by the same count at every seed ({n_words(d)}), which leaves no spread to judge it by"
        return f"{head}. Undecided: {why}."
    return f"{head} ({numbers(d, digits)}, {p_words(d.p)}).{_doubt(d, digits, told.unit)}"


def _doubt(d: Comparison, digits: int, unit: str) -> str:
    if d.verdict == "equivalent":
        though = "small: " if d.sign else ""
        return f" Equivalent, {though}within {amount(d.margin, digits)} {unit}."
    return "" if d.sign else " Undecided: the interval includes zero."


def _ratio_sentence(evidence: Evidence, measure: TimeMeasure, ratio: Ratio) -> str:
    words = f"{ratio_words(evidence, measure, ratio)}."
    if ratio.low is None:
        return f"{words} Undecided: there is no interval; it takes two rounds of each."
    return words if _ratio_direction(ratio) else f"{words} Undecided: the interval includes 1."


def ratio_words(evidence: Evidence, measure: TimeMeasure, ratio: Ratio) -> str:
    """How long the one takes, and how many times the other that is."""
    mine, theirs = (seconds(mean) for mean in evidence.means)
    rounds = f"{ratio.n[0]} and {ratio.n[1]} rounds"
    if ratio.low is not None and ratio.high is not None:
        rounds = f"95 % interval {ratio.low:.2f} to {ratio.high:.2f}, {rounds}"
    other = evidence.other.name if evidence.other else "a guess"
    return (
        f"A {measure.name} of {evidence.subject.name} takes {mine}, "
        f"{ratio.value:.2f} times the {theirs} of {other} ({rounds})"
    )
