"""Mixtures of the networks of several seeds: models of their own, so apart from the single ones."""

from __future__ import annotations

from pixelcnn.report.sections.base import Content, Material, OfDataset

#: With more variants the table is folded away.
OPEN = 12


def build(material: Material) -> Content | None:
    """The mixtures, those of most seeds first, then by their NLL: others do not compare."""
    rows = sorted(material.mixtures.values(), key=lambda mixture: (-mixture.n, mixture.nll))
    if not rows:
        return None
    return Content(
        {
            "rows": rows,
            "folded": len(rows) > OPEN,
            "sizes": sorted({mixture.n for mixture in rows}),
            "conditional": any(mixture.result.conditional for mixture in rows),
        }
    )


SECTION = OfDataset("mixture", build=build)
