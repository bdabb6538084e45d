"""All that the report says about one dataset, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pixelcnn.report import figures, maps, provenance
from pixelcnn.report.collect import Collected, DatasetRuns
from pixelcnn.report.compare import VariantResult, rank
from pixelcnn.report.findings import ALIKE, Finding, find, summary_sentences
from pixelcnn.report.pairs import Pairs, compare_pairs
from pixelcnn.report.plates import Plate, Plates
from pixelcnn.results.records import Cost
from pixelcnn.statistics.summary import Summary, summarize

#: Variants in the figures that draw a panel each, and in the pictures; the tables have all of them.
PICTURED = 24
#: Variants in a matrix of pairs; more would not fit on a page, and pairs.csv has their numbers.
MATRIX = 14


@dataclass(frozen=True)
class Agreement:
    """How often the classifier sees the label that was asked for, over seeds; by class their mean."""

    name: str
    overall: Summary
    images: int
    by_class: list[float]


@dataclass(frozen=True)
class CostRow:
    """What a variant costs, as measured by itself; times in seconds, of one image or one training step."""

    result: VariantResult
    multiply_adds: int
    step: float
    step_range: tuple[float, float]
    images_per_second: float
    evaluation: float
    sampling: float
    sampling_images: int


@dataclass(frozen=True)
class DatasetSection:
    """What the page shows of one dataset. Counts are shapes of images by split."""

    runs: DatasetRuns
    results: list[VariantResult]
    sentences: list[str]
    pairs: Pairs
    findings: list[Finding]
    plots: dict[str, Plate]
    real: Plate | None
    samples: list[Plate]
    neighbours: list[Plate]
    completions: list[Plate]
    extremes: Plate | None
    agreements: list[Agreement]
    classifier_accuracy: float | None
    costs: list[CostRow]
    counts: dict[str, tuple[int, ...]]
    mixtures: list[str]
    trouble: list[str]

    @property
    def dims(self) -> int | None:
        """Dimensions of an image, from the evaluated runs."""
        return next((run.metrics.dims for run in self.runs.runs if run.finished and run.metrics), None)

    @property
    def files(self) -> list[str]:
        """The pictures of this dataset, as files beside the page."""
        single = [plate for plate in (self.real, self.extremes) if plate]
        several = [*self.samples, *self.neighbours, *self.completions]
        return [plate.file for plate in (*self.plots.values(), *single, *several)]

    @property
    def matrix(self) -> list[str]:
        """The variants that the matrices of pairs show, best first."""
        return self.pairs.names[:MATRIX]

    @property
    def ranked(self) -> list[VariantResult]:
        """The variants that have a result."""
        return [result for result in self.results if result.nll]

    @property
    def conditions(self) -> list[tuple[Cost, list[str]]]:
        """Under which conditions costs were measured: one cost of each kind, and the variants alike."""
        kinds: dict[tuple[Any, ...], tuple[Cost, list[str]]] = {}
        for row in self.costs:
            if cost := row.result.variant.cost:
                kind = tuple(getattr(cost, key) for key in (*ALIKE, "sampling_images"))
                kinds.setdefault(kind, (cost, []))[1].append(row.result.name)
        return list(kinds.values())

    @property
    def unpictured(self) -> int:
        """How many variants are in the tables alone."""
        return max(0, len(self.results) - PICTURED)

    @property
    def gaps(self) -> list[VariantResult]:
        """The variants whose training NLL is known."""
        return [r for r in self.ranked if "gap" in r.summaries or "end_gap" in r.summaries]


def build_section(dataset: DatasetRuns, collected: Collected, target: Path) -> DatasetSection:
    """Compare the runs of a dataset and draw their pictures below `target`."""
    results = rank(dataset)
    pairs = compare_pairs(results)
    findings = find(results)
    pictured = results[:PICTURED]
    plates = Plates(dataset, pictured, target)
    test = plates.images("test")
    drawings = {
        "nll": figures.nll_by_seed(results),
        "learning": figures.learning_curves(pictured),
        "cost": figures.quality_against_cost(results),
        "fields": maps.receptive_fields(pictured),
        "bits": maps.bits_by_pixel(pictured),
        "classes": maps.nll_by_class(pictured, test[1] if test else None),
    }
    made = {name: plates.drawing(name, drawing) for name, drawing in drawings.items()}
    return DatasetSection(
        runs=dataset,
        results=results,
        sentences=summary_sentences(results, pairs, findings),
        pairs=pairs,
        findings=findings,
        plots={name: plate for name, plate in made.items() if plate},
        real=plates.real(rows=max(1, min(3, len(collected.benchmark.seeds)))),
        samples=plates.samples(),
        neighbours=plates.neighbours(),
        completions=plates.completions(),
        extremes=plates.extremes(),
        agreements=_agreements(results),
        classifier_accuracy=_classifier_accuracy(dataset),
        costs=_costs(results),
        counts=plates.counts(),
        mixtures=provenance.mixtures(dataset),
        trouble=[sentence.replace(f"{collected.directory}/", "") for sentence in plates.trouble],
    )


def _classifier_accuracy(dataset: DatasetRuns) -> float | None:
    """That of the classifier of this dataset, by any run that it judged."""
    found = (run.analysis.classifier_accuracy for run in dataset.runs if run.analysis)
    return next((accuracy for accuracy in found if accuracy is not None), None)


def _agreements(results: Sequence[VariantResult]) -> list[Agreement]:
    rows = []
    for result in results:
        judged = [
            r.analysis for r in result.variant.finished if r.analysis and r.analysis.agreement is not None
        ]
        shares = [a.agreement_by_class for a in judged if a.agreement_by_class]
        if judged:
            rows.append(
                Agreement(
                    result.name,
                    summarize(a.agreement for a in judged if a.agreement is not None),
                    judged[0].agreement_images or 0,
                    [sum(column) / len(column) for column in zip(*shares, strict=True)],
                )
            )
    return rows


def _costs(results: Sequence[VariantResult]) -> list[CostRow]:
    rows = []
    for result in results:
        cost = result.variant.cost
        if cost is None:
            continue
        step = median(cost.step_seconds)
        rows.append(
            CostRow(
                result=result,
                multiply_adds=cost.multiply_adds,
                step=step,
                step_range=(min(cost.step_seconds), max(cost.step_seconds)),
                images_per_second=cost.batch_size / step,
                evaluation=median(cost.evaluation_seconds) / cost.sampling_images,
                sampling=median(cost.sampling_seconds) / cost.sampling_images,
                sampling_images=cost.sampling_images,
            )
        )
    return rows
