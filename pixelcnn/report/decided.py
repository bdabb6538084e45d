"""How much of a dataset the seeds decide, in words."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from pixelcnn.report.looks import Look
from pixelcnn.report.pairs import Pair, Pairs
from pixelcnn.report.words import amount, count_of, joined, ordinal

#: Undecided pairs that a sentence names; of more it says how many there are.
NAMED = 3


def decided_words(pairs: Pairs) -> str:
    """How many pairs of variants the seeds decide, and which they do not; nothing about a single pair."""
    total = comb(len(pairs.names), 2)
    said = f"{tally(pairs)}." if total > 1 and len(pairs.having(None)) < total else ""
    return " ".join(filter(None, (said, look_words(pairs.differences.look))))


def tally(pairs: Pairs) -> str:
    """How many pairs differ, are equivalent, undecided, and not tested."""
    total, differ = comb(len(pairs.names), 2), len(pairs.having("better", "worse"))
    same, undecided, untested = (len(pairs.having(v)) for v in ("equivalent", "undecided", None))
    if differ == total > 1:
        return f"All {total} pairs of variants differ"
    parts = [f"{differ} {'differs' if differ == 1 else 'differ'}"] if differ else []
    if same:
        margin = amount(pairs.differences.margin, 2)
        parts.append(f"{same} {'is' if same == 1 else 'are'} equivalent (within {margin} nats)")
    if undecided:
        named = _named(pairs.having("undecided"))
        parts.append(f"{undecided} {'is' if undecided == 1 else 'are'} undecided{named}")
    if untested:
        parts.append(f"{untested} cannot be tested for want of seeds")
    count = "1 pair" if total == 1 else f"{total} pairs"
    return f"Of {count} of variants {joined(parts)}" if parts else "There is no pair of variants to compare"


def _named(undecided: Sequence[Pair]) -> str:
    if len(undecided) > NAMED:
        return ""
    return f" ({joined([f'{a} against {b}' for a, b in undecided])})"


def look_words(look: Look) -> str:
    """What looking means for the verdicts; nothing at a first look when all runs are there."""
    sentences = []
    if look.number > 1:
        times = [count_of(n, "seed") for n in look.before]
        before = "after one" if len(times) == 1 else "after ones"
        sentences.append(
            f"This is the {ordinal(look.number)} look at these variants, {before} at "
            f"{joined(times, len(times))}: verdicts are stricter, so that all looks together keep 5 %."
        )
    if look.interim:
        sentences.append(
            "Runs are still to come: verdicts are provisional, and other seeds from now on are another look."
        )
    return " ".join(sentences)
