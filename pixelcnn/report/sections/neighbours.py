"""Whether samples are copies: the training image nearest to each."""

from __future__ import annotations

from pixelcnn.report.sections.base import Content, Material, OfDataset


def build(material: Material) -> Content | None:
    """A picture a variant."""
    plates = material.plates.neighbours()
    return Content({"neighbours": plates}, plates) if plates else None


SECTION = OfDataset("neighbours", build=build, markdown="")
