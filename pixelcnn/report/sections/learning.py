"""Learning curves, the first section with a panel a variant: it says so where not all have one."""

from __future__ import annotations

from pixelcnn.report.figures.learning import learning_curves
from pixelcnn.report.sections.base import Content, Material, OfDataset


def build(material: Material) -> Content | None:
    """The curves of the pictured variants."""
    plate = material.plates.drawing("learning", learning_curves(material.pictured))
    unpictured = len(material.results) > len(material.pictured)
    if plate is None and not unpictured:
        return None
    return Content({"plate": plate, "unpictured": unpictured}, [plate] if plate else [])


SECTION = OfDataset("learning", build=build, markdown="")
