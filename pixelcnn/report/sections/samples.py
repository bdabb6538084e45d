"""Samples of each variant, and real test images to hold them against."""

from __future__ import annotations

from pixelcnn.report.sections.base import Content, Material, OfDataset


def build(material: Material) -> Content | None:
    """A row a seed of each variant."""
    seeds = len(material.collected.benchmark.seeds)
    real = material.plates.real(rows=max(1, min(3, seeds)))
    samples = material.plates.samples()
    shown = [real, *samples] if real else samples
    return Content({"real": real, "samples": samples}, shown) if shown else None


SECTION = OfDataset("samples", "Samples", build=build, markdown="")
