"""Our best variants beside published numbers of the same protocol, and why the nearest others are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pixelcnn.config.published import UNKNOWN, ProtocolSpec, PublishedSpec, Unit
from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.report import text
from pixelcnn.report.cells import cell
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.published import Apart, Beside, beside, by_work, protocol_of, read_published
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.results.metric_table import RANKED_BY, metric

#: Our variants in the table: the best ones.
OURS = 3
#: Numbers of one work that a sentence names.
NAMED = 3
#: Our metric in the unit of the published numbers.
METRICS = {"nats": RANKED_BY, "bits/dim": "comparable_bits_per_dim"}
#: Marks of what is not exact.
MARKS = {"bound": "≤ ", "estimate": "≈ "}


@dataclass(frozen=True)
class Row:
    """A line of the table: one of ours, or a published `entry`."""

    name: str
    value: float
    shown: str
    below: str | None
    parameters: str
    budget: str
    notes: str = ""
    entry: PublishedSpec | None = None


@dataclass(frozen=True)
class Named:
    """Numbers of one work in a sentence."""

    numbers: str
    entry: PublishedSpec


def build(material: Material) -> Content | None:
    """The table and the sentences; nothing where no published number is even near."""
    ours = _best(material)
    protocol = _protocol(material, ours[0]) if ours else None
    if protocol is None or (found := beside(protocol, read_published())) is None:
        return None
    rows = [_ours(material, result, found.unit) for result in ours] + [
        _theirs(entry, found.unit) for entry in found.same
    ]
    return Content(
        {
            "rows": sorted(rows, key=lambda row: row.value) if found.same else [],
            "unit": "nats per image" if found.unit == "nats" else "bits/dim",
            "inexact": any(entry.protocol.likelihood != "exact" for entry in _shown(found)),
            "drawn": found.same and protocol.binarization == "dynamic",
            "apart": [(apart.reason, list(_named(apart, found.unit))) for apart in found.apart],
        }
    )


def _shown(found: Beside) -> list[PublishedSpec]:
    return [*found.same, *(entry for apart in found.apart for entry in apart.entries)]


def _best(material: Material) -> list[VariantResult]:
    """The best networks, and of these those of the same protocol as the first."""
    networks = [result for result in material.ranked if not result.baseline]
    alike = [r for r in networks if _protocol(material, r) == _protocol(material, networks[0])]
    return alike[:OURS]


def _protocol(material: Material, result: VariantResult) -> ProtocolSpec | None:
    return protocol_of(material.dataset.spec, _recipe(material, result))


def _recipe(material: Material, result: VariantResult) -> TrainingSpec:
    return material.collected.benchmark.training.changed(result.variant.spec.training)


def _ours(material: Material, result: VariantResult, unit: Unit) -> Row:
    recipe, entry = _recipe(material, result), metric(METRICS[unit])
    return Row(
        result.name,
        result.summaries[entry.key].mean,
        cell(entry, result).line,
        text.interval(result.summaries[entry.key], entry.digits) or None,
        text.thousands(result.parameters),
        f"{recipe.epochs} epochs" if recipe.images is None else f"{text.thousands(recipe.images)} images",
        "label-marginalised" if result.conditional else "",
    )


def _theirs(entry: PublishedSpec, unit: Unit) -> Row:
    value = entry.in_unit(unit)
    assert value is not None  # what compares has a known size
    known = entry.parameters != UNKNOWN
    return Row(
        entry.model,
        value,
        _number(entry, unit),
        None,
        text.thousands(int(entry.parameters)) if known else UNKNOWN,
        entry.budget,
        "; ".join(_notes(entry.protocol)),
        entry,
    )


def _notes(protocol: ProtocolSpec) -> Iterator[str]:
    """What does not keep a number from comparing, but belongs beside it."""
    if protocol.likelihood != "exact":
        yield {"bound": "upper bound", "estimate": "estimated by sampling"}.get(
            protocol.likelihood, "whether it is exact is unknown"
        )
    if protocol.order == "other":
        yield "other order of pixels"
    if protocol.augmentation == UNKNOWN:
        yield "augmentation unknown"


def _number(entry: PublishedSpec, unit: Unit) -> str:
    """A value in as many digits as it was published in, two at least, with the mark of what is not exact."""
    value = entry.in_unit(unit)
    if value is None:
        return f"{entry.value:g} {entry.unit}"
    digits = 2 if unit == "nats" or round(value, 2) == value else 3
    return f"{MARKS.get(entry.protocol.likelihood, '')}{value:.{digits}f}"


def _named(apart: Apart, unit: Unit) -> Iterator[Named]:
    for entries in by_work(apart.entries):
        yield Named(_list(entries, unit), entries[0])


def _list(entries: Sequence[PublishedSpec], unit: Unit) -> str:
    """PixelSNAIL 78.61, ImageGPT 79.17 and 4 more."""
    named = ", ".join(f"{entry.model} {_number(entry, unit)}" for entry in entries[:NAMED])
    more = len(entries) - NAMED
    return f"{named} and {more} more" if more > 0 else named


SECTION = OfDataset("published", "Published numbers", build=build)
