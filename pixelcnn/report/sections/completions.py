"""Test images whose lower half was drawn anew."""

from __future__ import annotations

from pixelcnn.report.sections.base import Content, Material, OfDataset


def build(material: Material) -> Content | None:
    """A picture a variant."""
    plates = material.plates.completions()
    return Content({"completions": plates}, plates) if plates else None


SECTION = OfDataset("completions", build=build, markdown="")
