"""Every run, a row each, and the tables for machines."""

from __future__ import annotations

from pixelcnn.report.sections.base import Content, OfBenchmark, Whole
from pixelcnn.results.metric_table import RANKED_BY, metric


def build(whole: Whole) -> Content:
    """Each run with its NLL, of which only finished ones have any."""
    rows = [(run, metric(RANKED_BY).of(run.records)) for run in whole.collected.runs]
    return Content({"rows": rows})


SECTION = OfBenchmark("runs", "Every run", build=build, markdown="")
