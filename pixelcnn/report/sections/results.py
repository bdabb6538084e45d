"""The ranking: a row a variant with the metrics of the results table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixelcnn.report.cells import columns
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.results.metric_table import RANKED_BY

#: With more variants the table is followed by a row for each architecture.
GROUPED = 12


@dataclass(frozen=True)
class Architecture:
    """How many variants with a result an architecture has, and the best of them."""

    model: str
    conditional: bool
    variants: int
    best: VariantResult


def _architectures(ranked: Sequence[VariantResult]) -> list[Architecture]:
    """Those of many variants, best first, with and without the label apart; none where each has one."""
    groups: dict[tuple[str, bool], list[VariantResult]] = {}
    for result in ranked:
        groups.setdefault((result.variant.spec.model, result.conditional), []).append(result)
    if len(ranked) <= GROUPED or len(groups) == len(ranked):
        return []
    return [Architecture(*key, len(own), own[0]) for key, own in groups.items()]


def build(material: Material) -> Content:
    """The columns of both pages; the lead is the metric that ranks."""
    means = [result.nll.mean for result in material.ranked if result.nll]
    conditional = any(result.conditional for result in material.results)
    finished = (run.metrics for run in material.dataset.runs if run.finished)
    return Content(
        {
            "conditional": conditional,
            "architectures": _architectures(material.ranked),
            "ranked_by": RANKED_BY,
            "by_differences": means != sorted(means),
            "columns": columns("results", conditional=conditional),
            "all_columns": columns("results", "cost", conditional=conditional),
            "dims": next((metrics.dims for metrics in finished if metrics), None),
        }
    )


SECTION = OfDataset("results", build=build)
