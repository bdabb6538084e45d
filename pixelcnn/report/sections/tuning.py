"""How the recipes were chosen: every trial, and how much the choice mattered to each variant."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.tuned import TunedVariant, tuned_name
from pixelcnn.report.cells import Cell
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.figures.tuning import numeric_keys, trials_by
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.report.text import MISSING
from pixelcnn.report.tuned import changed_since, key_words, keys_of, number_of
from pixelcnn.report.words import joined
from pixelcnn.results.metric_table import metric

VALID = metric("best_valid_nll")


@dataclass(frozen=True)
class Row:
    """What the trials of a variant say, `cells` in the order of the columns."""

    result: VariantResult
    found: TunedVariant
    cells: list[Cell]
    outgrown: bool
    """Whether the chosen recipe comes out worse at the whole budget than on the share of the trials.

    By more than what the report takes for equivalent: the best of some trials is lower by chance, too.
    """

    @property
    def sensitivity(self) -> float:
        """How far the median trial lies above the chosen one, nats per image."""
        return sensitivity(self.found)


def at_whole_budget(result: VariantResult) -> float | None:
    """Validation NLL of the trainings here, mean over the finished seeds; None if there are none."""
    values = result.by_seed(VALID).values()
    return statistics.fmean(values) if values else None


def sensitivity(found: TunedVariant) -> float:
    """How far the median trial lies above the chosen one; a failed one is above all others."""
    assert found.choice.valid_nll is not None  # the config is checked
    ended = [math.inf if trial.valid_nll is None else trial.valid_nll for trial in found.trials]
    return statistics.median(ended) - found.choice.valid_nll


def build(material: Material) -> Content | None:
    """A row a tuned variant, and a figure a key; the trials were of one dataset, and stand once."""
    benchmark = material.collected.benchmark
    tuned = benchmark.tuned
    if not tuned or material.dataset is not material.collected.datasets[0]:
        return None
    keys = keys_of(tuned.values())
    short = any(found.share < 1 for found in tuned.values())
    rows = [
        _row(benchmark, r, found, keys, short=short) for r in material.results if (found := tuned.get(r.name))
    ]
    drawings = (trials_by(key, material.pictured, tuned) for key in numeric_keys(tuned))
    made = [material.plates.drawing(f"tuning.{n}", drawing) for n, drawing in enumerate(drawings, start=1)]
    plates = [plate for plate in made if plate]
    values = {
        "rows": rows,
        "keys": {key: key_words(key) for key in keys},
        "lead": " ".join(filter(None, (_lead(rows), _outgrown(rows)))),
        "short": short,
        "left": [name for name in benchmark.variants if name not in tuned],
        "of": sorted({found.of for found in tuned.values()}),
        "plates": plates,
    }
    return Content(values, plates)


def _row(
    benchmark: Benchmark, result: VariantResult, found: TunedVariant, keys: Sequence[str], *, short: bool
) -> Row:
    """Of a variant; where trials were `short`, with its validation NLL at the whole budget."""
    now, whole = changed_since(benchmark, result.name, found), at_whole_budget(result)
    best = found.choice.valid_nll
    # Trials of another benchmark, which lent its recipe, may have been of other data.
    as_tried = found.share < 1 and not now and benchmark.benchmark in (found.of, tuned_name(found.of))
    assert best is not None  # the config is checked
    margin = benchmark.report.equivalent_within * abs(best)
    outgrown = as_tried and whole is not None and whole > best + margin
    at_whole = [_nats(whole, note="worse than its trial" if outgrown else "")] if short else []
    return Row(result, found, [*_numbers(found, at_whole), *_choices(found, keys, now)], outgrown)


def _numbers(found: TunedVariant, at_whole: Sequence[Cell]) -> Iterator[Cell]:
    """Trials, validation NLL as written, chosen and perhaps at the whole budget, gain, sensitivity."""
    failed, best = sum(trial.valid_nll is None for trial in found.trials), found.choice.valid_nll
    notes = [f"{failed} failed"] * bool(failed) + [f"{found.earlier} earlier"] * bool(found.earlier)
    yield _cell(len(found.trials), str(len(found.trials)), ", ".join(notes))
    first = found.as_written
    before = first.valid_nll if first else None
    yield _nats(before, "failed" if first else MISSING)
    yield _nats(best)
    yield from at_whole
    yield _nats(None if before is None or best is None else before - best)
    yield _nats(sensitivity(found), "failed")


def _nats(value: float | None, missing: str = MISSING, note: str = "") -> Cell:
    if value is None or math.isinf(value):
        return _cell("", missing)
    return _cell(value, f"{value:.2f}" if value < 1e5 else f"{value:.0e}", note)


def _cell(value: float | str, shown: str, note: str = "") -> Cell:
    return Cell(value, shown, note or None, f"{shown} ({note})" if note else shown)


def _choices(found: TunedVariant, keys: Sequence[str], now: Mapping[str, Any]) -> Iterator[Cell]:
    """The value that was chosen for each key, whether it is at an edge, and what it was edited to."""
    for key in keys:
        if key not in found.keys:
            yield Cell()
            continue
        value = found.choice.values[key]
        notes = [at_edge(found, key), f"edited since: {_said(now[key])}" if key in now else ""]
        sorted_by = value if number_of(value) is not None else str(value)
        yield _cell(sorted_by, _said(value), ", ".join(note for note in notes if note))


def at_edge(found: TunedVariant, key: str) -> str:
    """Whether better ones may lie beyond; of two values either is at an edge, which says nothing."""
    tried = {number_of(trial.values[key]) for trial in found.trials}
    numbers = sorted(number for number in tried if number is not None)
    chosen = number_of(found.choice.values[key])
    if len(numbers) < 3 or chosen not in (numbers[0], numbers[-1]):
        return ""
    return f"{'lowest' if chosen == numbers[0] else 'highest'} tried"


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def _lead(rows: Sequence[Row]) -> str:
    """Who is sensitive, in a sentence; of a single variant there is nothing to compare."""
    if len(rows) < 2:
        return ""
    order = sorted(rows, key=lambda row: row.sensitivity)
    least, most = order[0], order[-1]
    return (
        f"Most sensitive to the values that were tried: {most.result.name}, whose median trial "
        f"{_above(most)}. Least: {least.result.name}, whose median trial {_above(least)}."
    )


def _outgrown(rows: Sequence[Row]) -> str:
    """Whose trials were too short to find a recipe for the whole budget."""
    names = [row.result.name for row in rows if row.outgrown]
    if not names:
        return ""
    whose = "Its recipe" if len(names) == 1 else "Their recipes"
    said = f"Worse at the whole budget than on the share of the trials: {joined(names)}."
    return f"{said} {whose} may suit short trainings only."


def _above(row: Row) -> str:
    if math.isinf(row.sensitivity):
        return "failed"
    return f"is {row.sensitivity:.2f} nats above its best" if row.sensitivity < 1e5 else "diverged"


SECTION = OfDataset("tuning", "Tuning", build=build)
