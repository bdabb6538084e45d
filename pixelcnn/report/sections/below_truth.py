"""The alarm: variants that lie below a truth that is known."""

from __future__ import annotations

from pixelcnn.report.sections.base import Content, OfBenchmark, Whole
from pixelcnn.report.truth import below_truth, below_words


def build(whole: Whole) -> Content | None:
    """A sentence for each; nothing if there is none."""
    found = below_truth(whole.collected.datasets)
    return Content({"sentences": [below_words(one) for one in found]}) if found else None


SECTION = OfBenchmark("below-truth", build=build)
