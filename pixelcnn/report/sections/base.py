"""What a section of the report is, and what it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pixelcnn.report.collect import Collected, DatasetRuns
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.findings import Finding
from pixelcnn.report.links import Links
from pixelcnn.report.pairs import Pairs
from pixelcnn.report.plates import Plate, Plates
from pixelcnn.report.seed_mixtures import Mixture

#: Variants in the figures that draw a panel each, and in the pictures; the tables have all of them.
PICTURED = 24


@dataclass(frozen=True)
class Material:
    """What there is to say about one dataset: `results` best first, and `plates`, which makes pictures.

    `counts` are the shapes of its images by split, `mixtures` those of seeds by variant.
    """

    collected: Collected
    dataset: DatasetRuns
    results: list[VariantResult]
    pairs: Pairs
    findings: list[Finding]
    plates: Plates
    counts: dict[str, tuple[int, ...]]
    mixtures: dict[str, Mixture]

    @property
    def name(self) -> str:
        """The name of the dataset in the config."""
        return self.dataset.name

    @property
    def ranked(self) -> list[VariantResult]:
        """The variants that have a result."""
        return [result for result in self.results if result.nll]

    @property
    def pictured(self) -> list[VariantResult]:
        """The variants of which there are pictures."""
        return self.results[:PICTURED]


@dataclass(frozen=True)
class Download:
    """A table for machines as the page offers it: its file, its content as an address, what a row is."""

    file: str
    uri: str
    what: str


@dataclass(frozen=True)
class Whole:
    """What there is to say about a benchmark: all its datasets, the tables for machines, pages of MLflow."""

    collected: Collected
    materials: list[Material]
    downloads: list[Download]
    links: Links


@dataclass(frozen=True)
class Content:
    """What a section shows: the values that its templates name, and its pictures in their order."""

    values: Mapping[str, Any] = field(default_factory=dict)
    plates: Sequence[Plate] = ()


@dataclass(frozen=True)
class Section:
    """What all sections have in common.

    `html` and `markdown` are its templates; None takes NAME.html.j2 and NAME.md.j2, which lie beside it, and
    an empty one leaves it out of that page. They see the values of its `Content` and `anchor`, the id of its
    heading, to which the page's navigation leads if `words` says how it is called there.
    """

    name: str
    words: str = ""
    html: str | None = None
    markdown: str | None = None


@dataclass(frozen=True, kw_only=True)
class OfDataset(Section):
    """A section about each dataset, or nothing where `build` gives None.

    Its templates see the `material`, too. One on the `first_screen` stands above the remarks.
    """

    build: Callable[[Material], Content | None]
    first_screen: bool = False


@dataclass(frozen=True, kw_only=True)
class OfBenchmark(Section):
    """A section about the benchmark as a whole; its templates see the `whole`, too."""

    build: Callable[[Whole], Content | None]
