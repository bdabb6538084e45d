"""What each variant sees: maps of the receptive field."""

from __future__ import annotations

from pixelcnn.report.figures.fields import receptive_fields
from pixelcnn.report.sections.base import Content, Material, OfDataset


def build(material: Material) -> Content | None:
    """The maps of the analysed variants."""
    plate = material.plates.drawing("fields", receptive_fields(material.pictured))
    return Content({"plate": plate}, [plate]) if plate else None


SECTION = OfDataset("sees", "What each sees", build=build, markdown="")
