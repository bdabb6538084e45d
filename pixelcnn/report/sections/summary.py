"""The first screen of a dataset: who is lowest, at what cost, and what became of the claims."""

from __future__ import annotations

from pixelcnn.report.figures.by_seed import nll_by_seed
from pixelcnn.report.headline import summary_sentences
from pixelcnn.report.sections.base import Content, Material, OfDataset


def build(material: Material) -> Content:
    """Three sentences and the figure; without any result a word about that."""
    plate = material.plates.drawing("nll", nll_by_seed(material.results))
    benchmark = material.collected.benchmark
    sentences = summary_sentences(benchmark, material.results, material.pairs, material.findings)
    several = len(material.collected.datasets) > 1
    values = {"sentences": sentences, "plate": plate, "several": several}
    return Content(values, [plate] if plate else [])


SECTION = OfDataset("summary", build=build, first_screen=True)
