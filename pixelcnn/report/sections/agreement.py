"""Whether conditional samples show their label, by a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pixelcnn.report.cells import Cell, cell
from pixelcnn.report.collect import DatasetRuns
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.results.metric_table import metric


@dataclass(frozen=True)
class Agreement:
    """How often the classifier sees the label that was asked for, over `n` seeds; by class their mean."""

    name: str
    overall: Cell
    n: int
    images: int
    by_class: list[float]


def build(material: Material) -> Content | None:
    """A row a variant whose samples were judged."""
    rows = [row for result in material.results for row in _rows(result)]
    if not rows:
        return None
    accuracy = _classifier_accuracy(material.dataset)
    return Content({"rows": rows, "agreement": metric("agreement"), "accuracy": accuracy})


def _classifier_accuracy(dataset: DatasetRuns) -> float | None:
    """That of the classifier of this dataset, by any run that it judged."""
    found = (run.analysis.classifier_accuracy for run in dataset.runs if run.analysis)
    return next((accuracy for accuracy in found if accuracy is not None), None)


def _rows(result: VariantResult) -> Iterator[Agreement]:
    analyses = [run.analysis for run in result.variant.finished if run.analysis]
    judged = [analysis for analysis in analyses if analysis.agreement is not None]
    shares = [analysis.agreement_by_class for analysis in judged if analysis.agreement_by_class]
    if judged:
        yield Agreement(
            result.name,
            cell(metric("agreement"), result),
            len(judged),
            judged[0].agreement_images or 0,
            [sum(column) / len(column) for column in zip(*shares, strict=True)],
        )


SECTION = OfDataset("agreement", build=build, markdown="")
