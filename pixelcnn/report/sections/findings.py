"""The claims of `report.claims` and their answers."""

from __future__ import annotations

from pixelcnn.report.sections.base import Content, Material, OfDataset


def build(material: Material) -> Content:
    """A row a claim and pair of variants."""
    return Content({"findings": material.findings})


SECTION = OfDataset("findings", "Findings", build=build)
