"""Where the bits go: by pixel, by channel, by class, and the test images that are easiest and hardest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pixelcnn.images import channels
from pixelcnn.report.arrays import load, mean_of_all
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.figures.bits import bits_by_pixel, nll_by_class
from pixelcnn.report.sections.base import Content, Material, OfDataset


@dataclass(frozen=True)
class ByChannel:
    """Bits per dimension of each channel given the pixel's earlier ones, mean over a variant's seeds."""

    result: VariantResult
    bits: list[float]

    @property
    def all(self) -> float:
        """Bits/dim: the mean, for each channel has as many dimensions."""
        return sum(self.bits) / len(self.bits)

    @property
    def shares(self) -> list[float]:
        """Of all bits, those that go to each."""
        return [one / sum(self.bits) for one in self.bits]


def build(material: Material) -> Content | None:
    """The two figures, the table of channels where there are several, and the pictures."""
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
    rows = by_channel(material.ranked)
    several = len(rows[0].bits) if rows else 0
    values = {
        "figures": figures,
        "extremes": extremes,
        "rows": rows,
        "columns": list(zip(channels.names(several), channels.given(several), strict=True)),
        "conditional": any(row.result.conditional for row in rows),
    }
    return Content(values, [*figures, extremes] if extremes else figures)


def by_channel(results: Sequence[VariantResult]) -> list[ByChannel]:
    """A row a variant of which every finished seed says what each channel costs."""
    rows = []
    for result in results:
        nats = mean_of_all(load(run.nats, "per_channel") for run in result.variant.finished)
        metrics = next((run.metrics for run in result.variant.finished if run.metrics), None)
        if nats is not None and metrics is not None:
            pixels = metrics.dims / len(nats)
            rows.append(ByChannel(result, [float(one) / (pixels * math.log(2)) for one in nats]))
    return rows


SECTION = OfDataset("bits", "Where the bits go", build=build)
