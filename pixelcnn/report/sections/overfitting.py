"""How much better a variant knows its training images than others."""

from __future__ import annotations

from pixelcnn.report.cells import columns
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.results.metric_table import metric


def build(material: Material) -> Content | None:
    """The gaps of the variants whose training NLL is known."""
    gaps = columns("overfitting")
    shown = [r for r in material.ranked if any(gap.key in r.summaries for gap in gaps)]
    analyses = [run.analysis for r in shown for run in r.variant.finished if run.analysis]
    over = sorted({found.settings.get("train_images") or 0 for found in analyses})
    values = {"columns": gaps, "shown": shown, "chosen": metric("best_epoch"), "over": over}
    return Content(values) if shown else None


SECTION = OfDataset("overfitting", build=build, markdown="")
