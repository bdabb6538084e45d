"""What the benchmarks of a site say of each claim, side by side: the answers of their reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pixelcnn.report.words import amount
from pixelcnn.results.metric_table import METRICS

Entry = dict[str, Any]
#: What stands above the table, a paragraph each.
EXPLAINED = (
    "Claims about PixelCNNs, each tested on two variants of a benchmark, or on one against guessing: what "
    "the first has more (+) or less (\N{MINUS SIGN}) than the second, or how many times as much, with its "
    "95 % interval.",
    "Supported: a difference in the direction claimed, with p < 0.05, adjusted for all pairs of variants but "
    "not for the number of claims (against guessing: for these; times: not at all). Contradicted: one in the "
    "other direction. Not supported: a negligible one. Undecided: these seeds do not tell.",
    "Two variants usually differ in more than the question names (width, depth, images seen, learning "
    "rates), so a supported claim is no proof of its cause, and holds for these data at this budget. "
    "Benchmarks may differ in data, sizes, tuning and budgets: that two agree need not be a repetition.",
)
#: More pairs of variants than these are counted, since the report lists them.
MOST = 4
#: Decimals of each metric, as in the report's sentences.
DIGITS = {metric.key: metric.digits for metric in METRICS}


def learnt(entries: list[Entry]) -> dict[str, Any]:
    """What is explained above, a column a benchmark and dataset that answers a claim, and a row a claim.

    Its question is that of the first of `entries`, since later versions may word it better. An answer that
    nothing was measured for is none.
    """
    places = [
        {"benchmark": entry["name"], "dataset": dataset["name"]}
        for entry in entries
        for dataset in entry["datasets"]
    ]
    found = [(entry["name"], f) for entry in entries for f in _answered(entry)]
    columns = [p for p in places if any(_place(name, f) == _key(p) for name, f in found)]
    rows = []
    for claim in dict.fromkeys(f["claim"] for _, f in found):
        own = [(name, f) for name, f in found if f["claim"] == claim]
        cells = [_cell(f for name, f in own if _place(name, f) == _key(p)) for p in columns]
        rows.append({"claim": claim, "question": own[0][1]["question"], "cells": cells})
    return {"explained": EXPLAINED, "columns": columns, "rows": rows}


def _answered(entry: Entry) -> list[Entry]:
    return [finding for finding in entry["findings"] if finding["effect"] is not None]


def _key(place: Entry) -> tuple[str, str]:
    return place["benchmark"], place["dataset"]


def _place(benchmark: str, finding: Entry) -> tuple[str, str]:
    return benchmark, finding["dataset"]


def _cell(findings: Iterable[Entry]) -> dict[str, Any]:
    """The answers to one claim in one place: each in numbers or, where they are many, their count."""
    found = list(findings)
    verdicts = dict.fromkeys(f["verdict"] for f in found)
    tally = {v: sum(f["verdict"] == v for f in found) for v in verdicts} if len(found) > MOST else {}
    return {"answers": [] if tally else [_answer(f) for f in found], "tally": tally}


def _answer(finding: Entry) -> dict[str, str]:
    """Who against whom, by how much, and the verdict."""
    times = finding["effect_unit"] == "times"
    digits = 2 if times else DIGITS.get(finding["measure"], 2)
    effect, low, high = (_shown(finding[key], digits, times=times) for key in ("effect", "low", "high"))
    ends = f"[{low}, {high}]" if low and high else ""
    who = f"{finding['subject']} against {finding['against'] or 'a guess'}"
    return {
        "who": who,
        "effect": f"{effect} {finding['effect_unit']}",
        "interval": ends,
        "verdict": finding["verdict"],
    }


def _shown(value: float | None, digits: int, *, times: bool) -> str:
    """A difference with its sign, a ratio without; one that would be rounded to nothing keeps a digit."""
    if value is None:
        return ""
    sign = "" if times else "\N{MINUS SIGN}" if value < 0 else "+"
    return sign + amount(value, digits)
