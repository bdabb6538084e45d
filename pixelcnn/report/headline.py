"""The sentences of the first screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.claims import STEP
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.decided import decided_words
from pixelcnn.report.evidence import over_rounds
from pixelcnn.report.falling import falling_sentence
from pixelcnn.report.findings import Finding, Verdict, ratio_words
from pixelcnn.report.pairs import Pairs
from pixelcnn.report.subjects import is_base
from pixelcnn.report.tuned import tuned_sentence
from pixelcnn.report.words import amount, count_of, joined, n_words, numbers, seconds


def summary_sentences(
    benchmark: Benchmark, results: Sequence[VariantResult], pairs: Pairs, findings: Sequence[Finding]
) -> list[str]:
    """Who is lowest and whether really, what else is decided, under which recipes, at what cost; the claims.

    A sentence for which there is nothing to say is left out.
    """
    sentences = (
        _lowest(results, pairs),
        decided_words(pairs),
        _recipes(benchmark, results),
        _cost(results),
        _claims(findings),
    )
    return [sentence for sentence in sentences if sentence]


def _recipes(benchmark: Benchmark, results: Sequence[VariantResult]) -> str:
    """Whether they were tuned, and what longer trainings might change."""
    if not any(result.nll for result in results):
        return ""
    return f"{tuned_sentence(benchmark)} {falling_sentence(results)}".strip()


def _lowest(results: Sequence[VariantResult], pairs: Pairs) -> str:
    ranked = [r for r in results if r.nll]
    if not ranked or ranked[0].nll is None:
        return ""
    best, nll = ranked[0], ranked[0].nll
    kind = "label-marginalised NLL" if best.conditional else "NLL"
    value = f"{nll.mean:.2f} nats per image"
    if len(ranked) == 1:
        return (
            f"{best.name} is the only variant with results so far: its {kind} is {value} "
            f"({count_of(nll.n, 'seed')})."
        )
    second = ranked[1].name
    d = pairs.seeds[best.name, second]
    head = f"{best.name} has the lowest {kind}, {value}"
    if any(result.nll.mean < nll.mean for result in ranked if result.nll):
        head = f"Seed by seed {best.name} has the lowest {kind} (the mean of its own seeds is {value})"
    apart = f"{amount(d.difference, 2)} nats"
    if d.p is None:
        test = f"only two seeds of each can tell that from chance ({n_words(d)})"
        return f"{head}, {apart} below {second}; {test}."
    if d.difference > 0:  # where seeds differ, in what is best on the whole
        return f"{head}, but against {second} alone it is {apart} higher ({numbers(d, 2)}): seeds differ."
    than = f"{apart} better than {second} ({numbers(d, 2)})"
    others = [name for name in pairs.names[2:] if pairs.seeds[best.name, name].sign is None]
    doubtful = [name for name in others if pairs.seeds[best.name, name].verdict != "equivalent"]
    margin = f"the margin of {amount(d.margin, 2)} nats"
    if d.sign:
        small = f", certain but less than {margin}" if d.verdict == "equivalent" else ""
        said = f"{head}: it is {than}{small}."
    elif d.verdict == "equivalent":
        said = f"{head}, and is equivalent to {second}: {apart} apart ({numbers(d, 2)}), within {margin}."
    else:
        also = f", and so is whether it is lower than that of {joined(doubtful)}" if doubtful else ""
        return f"{head}. That it is {apart} lower than that of {second} ({numbers(d, 2)}) is undecided{also}."
    return f"{said} Whether it is better than {joined(doubtful)} is undecided." if doubtful else said


def _cost(results: Sequence[VariantResult]) -> str:
    """The best variant against the plain one, or against the second if it is that itself."""
    ranked = [r for r in results if r.nll]
    if not ranked:
        return ""
    best, others = ranked[0], ranked[1:]
    if not others:
        cost, count = best.variant.cost, best.parameters
        step = [f"a training step takes {seconds(cost.step)}"] if cost else []
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
    tested = [f for f in findings if f.ratio or (f.difference and f.difference.p is not None)]
    left = len(findings) - len(tested)
    parts = []
    for verdict in get_args(Verdict):
        names = list(dict.fromkeys(f.claim for f in tested if f.verdict == verdict))
        count = sum(f.verdict == verdict for f in tested)
        which = f" ({joined(names)})" if names and verdict != "undecided" else ""
        if count:
            parts.append(f"{count} {'is' if count == 1 else 'are'} {verdict}{which}")
    also = f"; {left} could not be tested" if left else ""
    if not tested:
        return f"Of {count_of(left, 'claim')} about such variants none could be tested."
    claims = len({f.claim for f in tested})
    of = f"{count_of(claims, 'claim')} that {'was' if claims == 1 else 'were'} put to the test"
    if len(tested) > claims:
        of = f"{count_of(len(tested), 'answer')} to {count_of(claims, 'claim')}"
    return f"Of {of}, {joined(parts)}{also}."
