"""The sentences of the first screen."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import geometric_mean

from pixelcnn.report.claims import STEP, is_base
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.evidence import over_rounds
from pixelcnn.report.findings import Finding, ratio_words
from pixelcnn.report.pairs import Pairs
from pixelcnn.report.words import amount, count_of, interval, joined, p_words, seconds


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
    value = f"{nll.mean:.2f} nats per image ({count_of(nll.n, 'seed')})"
    if len(ranked) == 1:
        return f"{best.name} is the only variant with results so far: its {kind} is {value}."
    second = ranked[1].name
    d = pairs.seeds[best.name, second]
    margin = f"it is {amount(d.mean, 2)} nats {'below' if d.mean < 0 else 'above'} {second}"
    if d.mean > 0:  # the ranking is by all seeds, a paired difference by those that both have
        margin += " on the seeds that both have"
    head = f"{best.name} has the lowest {kind}, {value}"
    seeds = count_of(d.n[0], "seed") if d.n[0] == d.n[1] else f"{d.n[0]} and {d.n[1]} seeds"
    if d.p is None:
        return f"{head}; {margin}, but {seeds} cannot tell that from chance."
    tied = pairs.tied(best.name)
    numbers = f"{margin} (95 % interval {interval(d, 2)}, Holm-corrected {p_words(d.p_holm)})"
    if d.verdict == "higher":
        return f"{head}, but {numbers}: the variants have different seeds."
    if second in tied:
        return f"{head}, but it is tied with {joined(tied)}: {numbers}, which {seeds} do not establish."
    # By the mean farther away than the second, but with a wider interval or without any.
    doubtful = [r.name for r in ranked[1:] if pairs.seeds[best.name, r.name].verdict != "lower"]
    if doubtful:
        return f"{head}: {numbers}, which {seeds} establish; from {joined(doubtful)} they do not tell it."
    return f"{head}, and really so: {numbers}, which {seeds} establish."


def _cost(results: Sequence[VariantResult]) -> str:
    """The best variant against the plain one, or against the second if it is that itself."""
    ranked = [r for r in results if r.nll]
    if not ranked:
        return ""
    best, others = ranked[0], ranked[1:]
    if not others:
        cost, count = best.variant.cost, best.parameters
        step = [f"a training step takes {seconds(geometric_mean(cost.step_seconds))}"] if cost else []
        size = [f"it has {count:,} parameters"] if count else []
        return f"What it costs: {' and '.join(step + size)}." if step or size else ""
    rival = next((r for r in others if is_base(r.variant.spec)), others[0])
    timed = over_rounds(STEP, best, rival)
    said = ratio_words(timed, STEP, timed.ratio) if timed.ratio else timed.why
    if best.parameters and rival.parameters:
        said += f"; {best.parameters:,} parameters against {rival.parameters:,} of {rival.name}"
    return f"What it costs: {said}."


def _claims(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    tested = [f for f in findings if f.difference or f.ratio]
    left = len(findings) - len(tested)
    parts = []
    for verdict in ("supported", "not supported", "undecided"):
        names = list(dict.fromkeys(f.claim for f in tested if f.verdict == verdict))
        count = sum(f.verdict == verdict for f in tested)
        which = f" ({joined(names)})" if names and verdict != "undecided" else ""
        parts.append(f"{count or 'none'} {'is' if count == 1 else 'are'} {verdict}{which}")
    also = f"; {left} could not be tested" if left else ""
    if not tested:
        return f"Not one of {count_of(left, 'claim')} could be tested."
    total = count_of(len(tested), "claim")
    were = "was" if len(tested) == 1 else "were"
    return f"Of {total} that {were} put to the test, {parts[0]}, {parts[1]} and {parts[2]}{also}."
