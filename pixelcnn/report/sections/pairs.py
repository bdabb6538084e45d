"""Who beats whom: the matrix of all pairs over seeds, and apart from it over test images."""

from __future__ import annotations

from pixelcnn.report.sections.base import Content, Material, OfDataset

#: Variants in a matrix of pairs; more would not fit on a page, and pairs.csv has their numbers.
MATRIX = 14


def build(material: Material) -> Content | None:
    """Both matrices, of two variants or more."""
    shown = material.pairs.names[:MATRIX]
    if len(shown) < 2:
        return None
    seeds = material.pairs.seeds.values()
    return Content(
        {
            "pairs": material.pairs,
            "matrix": shown,
            "paired": sum(difference.paired for difference in seeds),
            "untested": all(difference.p is None for difference in seeds),
        }
    )


SECTION = OfDataset("pairs", "Who beats whom", build=build)
