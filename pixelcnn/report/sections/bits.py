"""Where the bits go: by pixel, by class, and the test images that are easiest and hardest."""

from __future__ import annotations

from pixelcnn.report.figures.bits import bits_by_pixel, nll_by_class
from pixelcnn.report.sections.base import Content, Material, OfDataset


def build(material: Material) -> Content | None:
    """The two figures, and with one of them the pictures."""
    test = material.plates.images("test")
    labels = test[1] if test else None
    drawn = (
        material.plates.drawing("bits", bits_by_pixel(material.pictured)),
        material.plates.drawing("classes", nll_by_class(material.pictured, labels)),
    )
    figures = [plate for plate in drawn if plate]
    if not figures:
        return None
    extremes = material.plates.extremes()
    return Content({"figures": figures, "extremes": extremes}, [*figures, extremes] if extremes else figures)


SECTION = OfDataset("bits", "Where the bits go", build=build, markdown="")
