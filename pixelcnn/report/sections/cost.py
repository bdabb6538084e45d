"""What each variant costs, as measured by itself, and quality against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pixelcnn.report.cells import columns
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.evidence import ALIKE
from pixelcnn.report.figures.cost import quality_against_cost
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.results.metric_table import metric
from pixelcnn.results.records import Cost


@dataclass(frozen=True)
class CostRow:
    """What a variant costs."""

    result: VariantResult
    cost: Cost

    @property
    def step_range(self) -> tuple[float, float]:
        """Seconds of the fastest and the slowest round of training steps."""
        return min(self.cost.step_seconds), max(self.cost.step_seconds)

    @property
    def images_per_second(self) -> float:
        """Of training."""
        return self.cost.batch_size / self.cost.step


def build(material: Material) -> Content | None:
    """The table of the measured variants, and the figure, which needs no measurement."""
    rows = list(_rows(material.results))
    plate = material.plates.drawing("cost", quality_against_cost(material.results))
    if not rows and plate is None:
        return None
    values = {
        "rows": rows,
        "parameters": metric("parameters"),
        "columns": columns("cost"),
        "conditions": _conditions(rows),
        "plate": plate,
    }
    return Content(values, [plate] if plate else [])


def _rows(results: Sequence[VariantResult]) -> Iterator[CostRow]:
    for result in results:
        if result.variant.cost:
            yield CostRow(result, result.variant.cost)


def _conditions(rows: Sequence[CostRow]) -> list[tuple[Cost, list[str]]]:
    """Under which conditions costs were measured: one cost of each kind, and the variants alike."""
    kinds: dict[tuple[Any, ...], tuple[Cost, list[str]]] = {}
    for row in rows:
        kind = tuple(getattr(row.cost, key) for key in (*ALIKE, "sampling_images"))
        kinds.setdefault(kind, (row.cost, []))[1].append(row.result.name)
    return list(kinds.values())


SECTION = OfDataset("cost", "Cost", build=build)
