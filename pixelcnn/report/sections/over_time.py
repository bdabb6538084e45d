"""Quality against what was spent on it so far: seconds of training steps, and multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pixelcnn.report.compare import VariantResult, far_off
from pixelcnn.report.figures.over_time import quality_over_time
from pixelcnn.report.progress import mean_over_seeds, trained_curves
from pixelcnn.report.reaching import Reached, reached, round_levels
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.report.timed import timed_runs
from pixelcnn.report.words import joined

#: What must agree before the seconds of two trainings compare.
ALIKE = ("device", "host", "threads", "precision")


@dataclass(frozen=True)
class Row:
    """A variant, and when its seeds reach each of the levels."""

    result: VariantResult
    cells: list[Reached]


def build(material: Material) -> Content | None:
    """The figure, and the table of seconds to levels of validation NLL."""
    results = [r for r in material.results if trained_curves(r)]
    plate = material.plates.drawing("over_time", quality_over_time(results))
    if plate is None:
        return None
    levels, decimals = _levels(results)
    # What is given the label stands apart: its NLL is another quantity.
    rows = sorted(_rows(results, levels), key=lambda row: row.result.conditional)
    values = {
        "rows": rows if levels else [],
        "levels": [f"{level:.{decimals}f}" for level in levels],
        "conditional": any(r.conditional for r in results),
        "unlike": _unlike(results),
        "plate": plate,
    }
    return Content(values, [plate])


def _rows(results: Sequence[VariantResult], levels: Sequence[float]) -> Iterator[Row]:
    for result in results:
        curves = [curve for curve in trained_curves(result) if curve.timed]
        yield Row(result, [reached(curves, level) for level in levels])


def _levels(results: Sequence[VariantResult]) -> tuple[list[float], int]:
    """Round numbers between the NLL that the best variant reaches and what the worst on the axis does.

    Of those that are not given the label, if there are such. Where they all but agree, and of a single one,
    up to where they were halfway through the training.
    """
    far = far_off(results)
    near = [r for r in results if r not in far]
    near = [r for r in near if not r.conditional] or near
    means = [found[0] for r in near if (found := mean_over_seeds(trained_curves(r)))]
    if not means:
        return [], 0
    low, high = min(m.best for m in means), max(m.best for m in means)
    if high - low < 0.005 * abs(low):
        high = max([high, *(float(m.nll[len(m.nll) // 2]) for m in means)])
    return round_levels(low, high)


def _unlike(results: Sequence[VariantResult]) -> str:
    """In what the trainings differ so that their seconds do not compare; '' if in nothing."""
    records = [run.record for r in results for run in timed_runs(r.variant) if run.record]
    found = {key: sorted({str(getattr(record, key)) for record in records}) for key in ALIKE}
    return "; ".join(f"{key} {joined(values)}" for key, values in found.items() if len(values) > 1)


SECTION = OfDataset("over_time", "Over time", build=build)
