"""The ranking: a row a variant with the metrics of the results table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.report.cells import columns
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.report.text import thousands
from pixelcnn.results.metric_table import RANKED_BY

#: With more variants the table is followed by a row for each architecture.
GROUPED = 12


@dataclass(frozen=True)
class Architecture:
    """How many variants with a result an architecture has, and the best of them."""

    model: str
    conditional: bool
    variants: int
    best: VariantResult


def _architectures(ranked: Sequence[VariantResult]) -> list[Architecture]:
    """Those of many variants, best first, with and without the label apart; none where each has one."""
    groups: dict[tuple[str, bool], list[VariantResult]] = {}
    for result in ranked:
        groups.setdefault((result.variant.spec.model, result.conditional), []).append(result)
    if len(ranked) <= GROUPED or len(groups) == len(ranked):
        return []
    return [Architecture(*key, len(own), own[0]) for key, own in groups.items()]


def build(material: Material) -> Content:
    """The columns of both pages; the lead is the metric that ranks."""
    means = [result.nll.mean for result in material.ranked if result.nll]
    conditional = any(result.conditional for result in material.results)
    finished = (run.metrics for run in material.dataset.runs if run.finished)
    return Content(
        {
            "conditional": conditional,
            "architectures": _architectures(material.ranked),
            "ranked_by": RANKED_BY,
            "one_code": _one_code(material.results),
            "by_differences": means != sorted(means),
            "columns": columns("results", conditional=conditional),
            "all_columns": columns("results", "cost", conditional=conditional),
            "dims": dims_words(material.dataset.spec, next((m.dims for m in finished if m), None)),
            "several": (material.dataset.spec.channels or 1) > 1,
        }
    )


def _one_code(results: Sequence[VariantResult]) -> bool:
    """Whether seeds of a variant name several commits, and yet were all trained by the same code."""
    several = [result.variant for result in results if len(result.variant.commits) > 1]
    codes = [{run.record.code for run in one.finished if run.record} for one in several]
    return bool(several) and all(len(own) == 1 and None not in own for own in codes)


def dims_words(spec: DatasetSpec, dims: int | None) -> str:
    """What is counted as a dimension, and how many an image has, where that is known."""
    channels, size = spec.channels or 1, spec.height_width
    words = "one for each channel of each pixel" if channels > 1 else "one for each pixel"
    if size is None or dims != channels * size[0] * size[1]:
        return words if dims is None else f"{words}: {thousands(dims)}"
    factors = [*([channels] if channels > 1 else []), *size]
    return f"{words}: {'·'.join(map(str, factors))} = {thousands(dims)}"


SECTION = OfDataset("results", build=build)
