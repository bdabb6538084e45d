"""The claims of `report.claims`, answered from the runs of a dataset, and the sentences that come first.

A claim is answered for each pair of variants that it fits, from their seeds or, for times, from rounds of
timings:

- *supported*: the difference is in the expected direction and real, p < 0.05;
- *not supported*: it is real and in the opposite direction, or there is none at all at any seed;
- *undecided*: the seeds do not tell it from zero, are too few, or something was not measured.

The p of claims over seeds are corrected by Holm for all such claims about a dataset. (Those of the matrix of
NLL are corrected for the matrix, so the two may differ for one pair.) Times stand outside of the
family: their rounds are no seeds, and a ratio of times counts as real where its 95 % interval leaves out 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pixelcnn.report.claims import CLAIMS, Claim, TimeMeasure
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.evidence import Evidence, weigh
from pixelcnn.report.words import (
    amount,
    corrected,
    count_of,
    in_words,
    interval,
    lower_or_higher,
    seconds,
    seeds_of,
)
from pixelcnn.results.metric import Metric
from pixelcnn.statistics.differences import SIGNIFICANCE, Difference, correct
from pixelcnn.statistics.ratios import Ratio

Verdict = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True)
class Finding:
    """The answer to a claim about `subject`; `against` is None for a guess, or where nothing compares.

    What stands behind it is a `difference` over seeds or a `ratio` of times, and None where there is neither.
    """

    claim: str
    question: str
    subject: str
    against: str | None
    verdict: Verdict
    sentence: str
    difference: Difference | None = None
    ratio: Ratio | None = None


def find(results: Sequence[VariantResult], claims: Sequence[Claim] = CLAIMS) -> list[Finding]:
    """The answers to the claims that are about a variant of these results, which are those of one dataset."""
    weighed = [(claim, evidence) for claim in claims for evidence in _evidence(claim, results)]
    corrected = iter(correct([e.difference for _, e in weighed if e.difference]))
    weighed = [(c, replace(e, difference=next(corrected)) if e.difference else e) for c, e in weighed]
    tests = sum(e.difference is not None and e.difference.p is not None for _, e in weighed)
    return [answer(claim, evidence, tests) for claim, evidence in weighed]


def _evidence(claim: Claim, results: Sequence[VariantResult]) -> Iterator[Evidence]:
    for subject in (r for r in results if claim.subject(r.variant.spec)):
        if claim.against is None:
            yield weigh(claim, subject, None)
            continue
        others = [
            r for r in results if r is not subject and claim.against(subject.variant.spec, r.variant.spec)
        ]
        if not others:
            yield Evidence(subject, why=f"this benchmark has no {claim.other}")
        for other in others:
            yield weigh(claim, subject, other)


def answer(claim: Claim, evidence: Evidence, tests: int) -> Finding:
    """The verdict and its sentence; `tests` counts the family that p is corrected for."""
    subject, other, measure = evidence.subject, evidence.other, claim.measure
    direction: str | None = None
    if evidence.difference and isinstance(measure, Metric):
        direction = "equal" if _equal(evidence.difference) else evidence.difference.verdict
        sentence = _difference_sentence(evidence, measure, evidence.difference, tests)
    elif evidence.ratio and isinstance(measure, TimeMeasure):
        direction = _ratio_direction(evidence.ratio)
        sentence = _ratio_sentence(evidence, measure, evidence.ratio)
    else:
        sentence = f"Not measured: {evidence.why}."
    verdict: Verdict = "undecided"
    if direction in ("lower", "higher", "equal"):
        verdict = "supported" if direction == claim.expected else "not supported"
    notes = [claim.note(subject) if claim.note else "", _meaning(measure)]
    return Finding(
        claim=claim.text,
        question=claim.question,
        subject=subject.name,
        against=other.name if other else None,
        verdict=verdict,
        sentence=" ".join([sentence, *filter(None, notes)]),
        difference=evidence.difference,
        ratio=evidence.ratio,
    )


def _meaning(measure: Metric | TimeMeasure) -> str:
    """A sentence for who does not know the number."""
    if isinstance(measure, TimeMeasure) or not measure.spoken or not measure.spoken.subject:
        return ""
    return f"{measure.spoken.subject} is {measure.meaning}."


def _equal(d: Difference) -> bool:
    """Whether there is no difference at any seed, which only deterministic numbers show."""
    return d.low == d.high == 0


def _ratio_direction(ratio: Ratio) -> Literal["lower", "higher", "tie"] | None:
    if ratio.low is None or ratio.high is None:
        return None
    if ratio.low <= 1 <= ratio.high:
        return "tie"
    return "lower" if ratio.value < 1 else "higher"


def _difference_sentence(evidence: Evidence, metric: Metric, d: Difference, tests: int) -> str:
    told, digits = in_words(metric), metric.digits
    name = metric.spoken.name if metric.spoken else metric.label
    rival = f"that of {evidence.other.name}" if evidence.other else "by guessing"
    seeds = seeds_of(d) if evidence.other else count_of(d.n[0], "seed")
    mine, theirs = (f"{mean:.{digits}f} {told.unit}" for mean in evidence.means)
    head = (
        f"The {name} of {evidence.subject.name} is {mine}, "
        f"{amount(d.mean, digits)} {told.step} {lower_or_higher(d.mean)} than {rival}, {theirs}"
    )
    if d.p is None and min(d.n) >= 2 and d.mean == 0:
        same = f"The {name} of {evidence.subject.name} is {mine}, equal to {rival} at every seed"
        return f"{same}. Undecided: counts can agree by chance."
    if d.p is None:
        why = f"there is no test with {seeds}; it takes two of each variant"
        if min(d.n) >= 2:
            why = f"by the same count at each of {seeds}, which leaves no spread to judge it by"
        return f"{head}. Undecided: {why}."
    if _equal(d):
        return f"The {name} of {evidence.subject.name} is {mine}, equal to {rival} at every seed."
    numbers = f"95 % interval {interval(d, digits)}, {seeds}, {corrected(d, tests)}"
    return f"{head} ({numbers}).{_doubt(d, tests)}"


def _doubt(d: Difference, tests: int) -> str:
    if d.verdict != "tie":
        return ""
    if d.p is not None and d.p < SIGNIFICANCE:
        return f" Undecided: clear by itself, but not as one of {tests} claims tested at once."
    return " Undecided: the interval includes zero."


def _ratio_sentence(evidence: Evidence, measure: TimeMeasure, ratio: Ratio) -> str:
    words = f"{ratio_words(evidence, measure, ratio)}."
    if ratio.low is None:
        return f"{words} Undecided: there is no interval; it takes two rounds of each."
    return f"{words} Undecided: the interval includes 1." if _ratio_direction(ratio) == "tie" else words


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
