"""The ranking: a row a variant with the metrics of the results table."""

from __future__ import annotations

from pixelcnn.report.cells import columns
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.results.metric_table import RANKED_BY


def build(material: Material) -> Content:
    """The columns of both pages; the lead is the metric that ranks."""
    conditional = any(result.conditional for result in material.results)
    finished = (run.metrics for run in material.dataset.runs if run.finished)
    return Content(
        {
            "conditional": conditional,
            "ranked_by": RANKED_BY,
            "columns": columns("results", conditional=conditional),
            "all_columns": columns("results", "cost", conditional=conditional),
            "dims": next((metrics.dims for metrics in finished if metrics), None),
        }
    )


SECTION = OfDataset("results", build=build)
