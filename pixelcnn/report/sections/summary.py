"""The first screen of a dataset: the truth if it is known, who is lowest, at what cost, the claims."""

from __future__ import annotations

from pixelcnn.report.figures.by_seed import nll_by_seed
from pixelcnn.report.headline import summary_sentences
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.report.truth import truth_of, truth_words


def build(material: Material) -> Content:
    """Some sentences and the figure; without any result a word about that."""
    plate = material.plates.drawing("nll", nll_by_seed(material.results))
    benchmark = material.collected.benchmark
    sentences = summary_sentences(benchmark, material.results, material.pairs, material.findings)
    if truth := truth_of(material.dataset):
        sentences = [truth_words(truth), *sentences]
    several = len(material.collected.datasets) > 1
    values = {"sentences": sentences, "plate": plate, "several": several}
    return Content(values, [plate] if plate else [])


SECTION = OfDataset("summary", build=build, first_screen=True)
