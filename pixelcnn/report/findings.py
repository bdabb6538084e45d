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

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, geometric_mean
from typing import Literal

from pixelcnn.report.claims import CLAIMS, STEP, Claim, Measure, TimeMeasure, is_base
from pixelcnn.report.collect import Run
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.pairs import Pairs, share_data_order
from pixelcnn.statistics.differences import SIGNIFICANCE, Difference, correct, difference
from pixelcnn.statistics.ratios import Ratio, ratio_interval

Verdict = Literal["supported", "not supported", "undecided"]

#: What must agree before the times of two variants compare.
ALIKE = ("device", "host", "threads", "precision", "batch_size")


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


@dataclass(frozen=True)
class _Instance:
    """A claim about one pair of variants with its numbers, or `why` there are none.

    `means` are those of the two sides, in the unit of the measure or in seconds.
    """

    claim: Claim
    subject: VariantResult
    other: VariantResult | None = None
    means: tuple[float, float] = (0.0, 0.0)
    difference: Difference | None = None
    ratio: Ratio | None = None
    why: str = ""


def find(results: Sequence[VariantResult], claims: Sequence[Claim] = CLAIMS) -> list[Finding]:
    """The answers to the claims that are about a variant of these results, which are those of one dataset."""
    instances = [instance for claim in claims for instance in _instances(claim, results)]
    corrected = iter(correct([i.difference for i in instances if i.difference]))
    instances = [replace(i, difference=next(corrected)) if i.difference else i for i in instances]
    tests = sum(i.difference is not None and i.difference.p is not None for i in instances)
    return [answer(instance, tests) for instance in instances]


def _instances(claim: Claim, results: Sequence[VariantResult]) -> Iterator[_Instance]:
    for subject in (r for r in results if claim.subject(r.variant.spec)):
        if claim.against is None:
            yield _measured(_Instance(claim, subject))
            continue
        others = [
            r for r in results if r is not subject and claim.against(subject.variant.spec, r.variant.spec)
        ]
        if not others:
            yield _Instance(claim, subject, why=f"this benchmark has no {claim.other}")
        for other in others:
            yield _measured(_Instance(claim, subject, other))


def _measured(instance: _Instance) -> _Instance:
    if isinstance(instance.claim.measure, TimeMeasure):
        return _over_rounds(instance, instance.claim.measure)
    return _over_seeds(instance, instance.claim.measure)


def _over_seeds(instance: _Instance, measure: Measure) -> _Instance:
    subject, other, guess = instance.subject, instance.other, instance.claim.guess
    first = _by_seed(subject, measure.of)
    if other is not None:
        second, paired = _by_seed(other, measure.of), share_data_order(subject, other)
    else:
        second, paired = _by_seed(subject, guess) if guess else {}, True
    for side, values in ((subject, first), (other, second)):
        if not values:
            return replace(instance, why=_why_not(side, measure))
    found = difference(first, second, paired=paired)
    if measure.counted and found.low == found.high:
        # Counts can agree by chance, where a number without rounding would differ: no spread to judge by.
        found = replace(found, low=None, high=None, p=None, p_holm=None)
    if found.paired:  # the means of what was compared
        shared = first.keys() & second.keys()
        first, second = ({seed: values[seed] for seed in shared} for values in (first, second))
    return replace(instance, means=(fmean(first.values()), fmean(second.values())), difference=found)


def _by_seed(result: VariantResult, of: Callable[[Run], float | None]) -> dict[int, float]:
    found = {run.spec.seed: of(run) for run in result.variant.finished}
    return {seed: value for seed, value in found.items() if value is not None and math.isfinite(value)}


def _why_not(side: VariantResult | None, measure: Measure) -> str:
    if side is None:
        return "nothing says what a guess would reach"
    return f"{side.name} {measure.missing if side.n else 'has no finished run'}"


def _over_rounds(instance: _Instance, measure: TimeMeasure) -> _Instance:
    costs = []
    for side in (instance.subject, instance.other):
        cost = side.variant.cost if side else None
        if side is None or cost is None or not measure.of(cost):
            return replace(
                instance, why=f"the {measure.name} of {side.name if side else 'a guess'} was not timed"
            )
        costs.append(cost)
    first, second = costs
    unlike = [key for key in ALIKE if getattr(first, key) != getattr(second, key)]
    if unlike:
        key = unlike[0]
        how = f"{getattr(first, key)} and {getattr(second, key)}"
        return replace(instance, why=f"they were timed under different conditions ({key}: {how})")
    times = measure.of(first), measure.of(second)
    means = geometric_mean(times[0]), geometric_mean(times[1])
    return replace(instance, means=means, ratio=ratio_interval(*times))


# Answers.


def answer(instance: _Instance, tests: int) -> Finding:
    """The verdict and its sentence; `tests` counts the family that p is corrected for."""
    claim, subject, other = instance.claim, instance.subject, instance.other
    direction: str | None = None
    if instance.difference and isinstance(claim.measure, Measure):
        direction = "equal" if _equal(instance.difference) else instance.difference.verdict
        sentence = _difference_sentence(instance, claim.measure, instance.difference, tests)
    elif instance.ratio and isinstance(claim.measure, TimeMeasure):
        direction = _ratio_direction(instance.ratio)
        sentence = _ratio_sentence(instance, claim.measure, instance.ratio)
    else:
        sentence = f"Not measured: {instance.why}."
    verdict: Verdict = "undecided"
    if direction in ("lower", "higher", "equal"):
        verdict = "supported" if direction == claim.expected else "not supported"
    meaning = claim.measure.meaning if isinstance(claim.measure, Measure) else ""
    extra = [note for note in (claim.note(subject) if claim.note else "", meaning) if note]
    return Finding(
        claim=claim.text,
        question=claim.question,
        subject=subject.name,
        against=other.name if other else None,
        verdict=verdict,
        sentence=" ".join([sentence, *extra]),
        difference=instance.difference,
        ratio=instance.ratio,
    )


def _equal(d: Difference) -> bool:
    """Whether there is no difference at any seed, which only deterministic numbers show."""
    return d.low == d.high == 0


def _ratio_direction(ratio: Ratio) -> Literal["lower", "higher", "tie"] | None:
    if ratio.low is None or ratio.high is None:
        return None
    if ratio.low <= 1 <= ratio.high:
        return "tie"
    return "lower" if ratio.value < 1 else "higher"


def _difference_sentence(instance: _Instance, measure: Measure, d: Difference, tests: int) -> str:
    step, digits = measure.step or measure.unit, measure.digits
    rival = f"that of {instance.other.name}" if instance.other else "by guessing"
    seeds = _seeds(d) if instance.other else _count(d.n[0], "seed")
    mine, theirs = (f"{mean:.{digits}f} {measure.unit}" for mean in instance.means)
    head = (
        f"The {measure.name} of {instance.subject.name} is {mine}, "
        f"{_amount(d.mean, digits)} {step} {_word(d.mean)} than {rival}, {theirs}"
    )
    if d.p is None and min(d.n) >= 2 and d.mean == 0:
        same = f"The {measure.name} of {instance.subject.name} is {mine}, equal to {rival} at every seed"
        return f"{same}. Undecided: counts can agree by chance."
    if d.p is None:
        why = f"there is no test with {seeds}; it takes two of each variant"
        if min(d.n) >= 2:
            why = f"by the same count at each of {seeds}, which leaves no spread to judge it by"
        return f"{head}. Undecided: {why}."
    if _equal(d):
        return f"The {measure.name} of {instance.subject.name} is {mine}, equal to {rival} at every seed."
    numbers = f"95 % interval {_interval(d, digits)}, {seeds}, {_corrected(d, tests)}"
    return f"{head} ({numbers}).{_doubt(d, tests)}"


def _doubt(d: Difference, tests: int) -> str:
    if d.verdict != "tie":
        return ""
    if d.p is not None and d.p < SIGNIFICANCE:
        return f" Undecided: clear by itself, but not as one of {tests} claims tested at once."
    return " Undecided: the interval includes zero."


def _ratio_sentence(instance: _Instance, measure: TimeMeasure, ratio: Ratio) -> str:
    words = f"{_ratio_words(instance, measure, ratio)}."
    if ratio.low is None:
        return f"{words} Undecided: there is no interval; it takes two rounds of each."
    return f"{words} Undecided: the interval includes 1." if _ratio_direction(ratio) == "tie" else words


def _ratio_words(instance: _Instance, measure: TimeMeasure, ratio: Ratio) -> str:
    assert instance.other is not None
    mine, theirs = (_seconds(mean) for mean in instance.means)
    rounds = f"{ratio.n[0]} and {ratio.n[1]} rounds"
    if ratio.low is not None and ratio.high is not None:
        rounds = f"95 % interval {ratio.low:.2f} to {ratio.high:.2f}, {rounds}"
    return (
        f"A {measure.name} of {instance.subject.name} takes {mine}, "
        f"{ratio.value:.2f} times the {theirs} of {instance.other.name} ({rounds})"
    )


# Numbers in words.


def _word(value: float) -> str:
    return "lower" if value < 0 else "higher"


def _amount(value: float, digits: int) -> str:
    """The size of a difference; one that would be rounded to nothing keeps a digit."""
    fixed = f"{abs(value):.{digits}f}"
    return f"{abs(value):.1g}" if value and not float(fixed) else fixed


def _interval(d: Difference, digits: int) -> str:
    """As sizes in the direction of the difference, or with words where the ends have different ones."""
    assert d.low is not None and d.high is not None
    near, far = sorted((d.low, d.high), key=abs)
    if d.low * d.high >= 0:
        return f"{_amount(near, digits)} to {_amount(far, digits)}"
    return f"{_amount(d.low, digits)} lower to {_amount(d.high, digits)} higher"


def _seeds(d: Difference) -> str:
    first, second = d.n
    if d.paired:
        return f"paired over {_count(first, 'seed')}"
    return f"{_count(first, 'seed')} each" if first == second else f"{first} and {second} seeds"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _p(p: float | None) -> str:
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _corrected(d: Difference, tests: int) -> str:
    return f"{_p(d.p_holm)} corrected for {tests} tests" if tests > 1 else _p(d.p_holm)


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def _join(words: Sequence[str], most: int = 4) -> str:
    """Words as a list in a sentence; what exceeds `most` is counted."""
    shown = list(words) if len(words) <= most else [*words[: most - 1], f"{len(words) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


# The first screen.


def summary_sentences(
    results: Sequence[VariantResult], pairs: Pairs, findings: Sequence[Finding]
) -> list[str]:
    """Who is lowest and whether really, what that costs, and what became of the claims.

    Three sentences; one for which there is nothing to say is left out.
    """
    sentences = (_lowest(results, pairs), _cost(results), _claims(findings))
    return [sentence for sentence in sentences if sentence]


def _lowest(results: Sequence[VariantResult], pairs: Pairs) -> str:
    ranked = [r for r in results if r.nll]
    if not ranked or ranked[0].nll is None:
        return ""
    best, nll = ranked[0], ranked[0].nll
    kind = "label-marginalised NLL" if best.conditional else "NLL"
    value = f"{nll.mean:.2f} nats per image ({_count(nll.n, 'seed')})"
    if len(ranked) == 1:
        return f"{best.name} is the only variant with results so far: its {kind} is {value}."
    second = ranked[1].name
    d = pairs.seeds[best.name, second]
    margin = f"it is {_amount(d.mean, 2)} nats {'below' if d.mean < 0 else 'above'} {second}"
    if d.mean > 0:  # the ranking is by all seeds, a paired difference by those that both have
        margin += " on the seeds that both have"
    head = f"{best.name} has the lowest {kind}, {value}"
    seeds = _count(d.n[0], "seed") if d.n[0] == d.n[1] else f"{d.n[0]} and {d.n[1]} seeds"
    if d.p is None:
        return f"{head}; {margin}, but {seeds} cannot tell that from chance."
    tied = pairs.tied(best.name)
    numbers = f"{margin} (95 % interval {_interval(d, 2)}, Holm-corrected {_p(d.p_holm)})"
    if d.verdict == "higher":
        return f"{head}, but {numbers}: the variants have different seeds."
    if second in tied:
        return f"{head}, but it is tied with {_join(tied)}: {numbers}, which {seeds} do not establish."
    # By the mean farther away than the second, but with a wider interval or without any.
    doubtful = [r.name for r in ranked[1:] if pairs.seeds[best.name, r.name].verdict != "lower"]
    if doubtful:
        return f"{head}: {numbers}, which {seeds} establish; from {_join(doubtful)} they do not tell it."
    return f"{head}, and really so: {numbers}, which {seeds} establish."


def _cost(results: Sequence[VariantResult]) -> str:
    """The best variant against the plain one, or against the second if it is that itself."""
    ranked = [r for r in results if r.nll]
    if not ranked:
        return ""
    best, others = ranked[0], ranked[1:]
    if not others:
        cost, count = best.variant.cost, best.parameters
        step = [f"a training step takes {_seconds(geometric_mean(cost.step_seconds))}"] if cost else []
        size = [f"it has {count:,} parameters"] if count else []
        return f"What it costs: {' and '.join(step + size)}." if step or size else ""
    rival = next((r for r in others if is_base(r.variant.spec)), others[0])
    timed = _over_rounds(_Instance(_TIMED, best, rival), STEP)
    said = _ratio_words(timed, STEP, timed.ratio) if timed.ratio else timed.why
    if best.parameters and rival.parameters:
        said += f"; {best.parameters:,} parameters against {rival.parameters:,} of {rival.name}"
    return f"What it costs: {said}."


_TIMED = Claim("", "", is_base, STEP, "higher", against=lambda *_: True)


def _claims(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    tested = [f for f in findings if f.difference or f.ratio]
    left = len(findings) - len(tested)
    parts = []
    for verdict in ("supported", "not supported", "undecided"):
        names = list(dict.fromkeys(f.claim for f in tested if f.verdict == verdict))
        count = sum(f.verdict == verdict for f in tested)
        which = f" ({_join(names)})" if names and verdict != "undecided" else ""
        parts.append(f"{count or 'none'} {'is' if count == 1 else 'are'} {verdict}{which}")
    also = f"; {left} could not be tested" if left else ""
    if not tested:
        return f"Not one of {_count(left, 'claim')} could be tested."
    total = _count(len(tested), "claim")
    were = "was" if len(tested) == 1 else "were"
    return f"Of {total} that {were} put to the test, {parts[0]}, {parts[1]} and {parts[2]}{also}."
