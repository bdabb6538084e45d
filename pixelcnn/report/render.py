"""From the contents of sections to the two pages, by templates."""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import jinja2

from pixelcnn.config.budget import epochs_words
from pixelcnn.report import cells, text
from pixelcnn.report.plates import Plate
from pixelcnn.report.sections import SECTIONS
from pixelcnn.report.sections.base import Content, Material, OfBenchmark, OfDataset, Whole


@dataclass(frozen=True)
class Shown:
    """A section with its content, about a dataset or about the benchmark."""

    section: OfBenchmark | OfDataset
    content: Content
    material: Material | None = None

    @property
    def anchor(self) -> str:
        """The id of its heading."""
        return f"data-{self.material.name}-{self.section.name}" if self.material else self.section.name


@dataclass(frozen=True)
class Block:
    """Rendered sections that stand together, and the dataset that they are about.

    Those of the `first_screen` have no heading.
    """

    parts: list[str]
    material: Material | None = None
    first_screen: bool = False
    plates: Sequence[Plate] = ()


def html_page(whole: Whole, shown: Sequence[Shown]) -> str:
    """The page that needs no other file: sections in their order, those of a dataset together."""
    script = resources.files("pixelcnn.report").joinpath("templates/sort.js").read_text(encoding="utf-8")
    return (
        _environment(html=True)
        .get_template("templates/page.html.j2")
        .render(
            **_common(whole),
            blocks=list(_html_blocks(whole, shown)),
            navigation=[part for part in shown if part.section.words],
            script=script,
            # The page allows this script and no other.
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def markdown_page(whole: Whole, shown: Sequence[Shown]) -> str:
    """The page for GitHub: of a dataset the tables first, then all pictures, as files beside it."""
    return (
        _environment(html=False)
        .get_template("templates/page.md.j2")
        .render(**_common(whole), blocks=list(_markdown_blocks(whole, shown)))
    )


def _common(whole: Whole) -> dict[str, Any]:
    runs, benchmark = whole.collected.runs, whole.collected.benchmark
    return {
        "whole": whole,
        "benchmark": benchmark,
        "title": benchmark.title or benchmark.benchmark,
        "total": len(runs),
        "finished": sum(run.finished for run in runs),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _html_blocks(whole: Whole, shown: Sequence[Shown]) -> Iterator[Block]:
    def place(section: OfBenchmark | OfDataset) -> tuple[bool, bool]:
        return isinstance(section, OfDataset), isinstance(section, OfDataset) and section.first_screen

    for (of_dataset, first_screen), group in itertools.groupby(SECTIONS, key=place):
        sections = list(group)
        for material in whole.materials if of_dataset else [None]:
            parts = _of(material, sections, shown)
            yield Block([_render(whole, part, html=True) for part in parts], material, first_screen)


def _markdown_blocks(whole: Whole, shown: Sequence[Shown]) -> Iterator[Block]:
    last = max((i for i, section in enumerate(SECTIONS) if isinstance(section, OfDataset)), default=0)
    for material, sections in (
        (None, SECTIONS[:last]),
        *((material, SECTIONS) for material in whole.materials),
        (None, SECTIONS[last:]),
    ):
        parts = _of(material, sections, shown)
        plates = [plate for part in parts for plate in part.content.plates]
        yield Block([_render(whole, part, html=False) for part in parts], material, plates=plates)


def _of(
    material: Material | None, sections: Sequence[OfBenchmark | OfDataset], shown: Sequence[Shown]
) -> list[Shown]:
    """What some sections have to show about a dataset, or about the benchmark."""
    about = [part for part in shown if part.material is material]
    return [part for section in sections for part in about if part.section is section]


def _render(whole: Whole, shown: Shown, *, html: bool) -> str:
    section, environment = shown.section, _environment(html=html)
    source = section.html if html else section.markdown
    if source is None:
        stem = section.name.replace("-", "_")
        template = environment.get_template(f"sections/{stem}.{'html' if html else 'md'}.j2")
    else:
        template = environment.from_string(source)
    return template.render(
        **_common(whole), material=shown.material, anchor=shown.anchor, **shown.content.values
    )


@functools.cache
def _environment(*, html: bool) -> jinja2.Environment:
    """Templates of the report. What is foreign is escaped by itself on the HTML page, by `md` in Markdown."""
    folder = resources.files("pixelcnn.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": text.number,
        "mean_sd": text.mean_sd,
        "spread": text.spread,
        "interval": text.interval,
        "percent": text.percent,
        "memory": text.memory,
        "thousands": text.thousands,
        "duration": text.duration,
        "md": text.markdown,
        "commit": text.commit,
        "epochs": epochs_words,
        "signed": text.signed,
        "small_time": text.small_time,
        "small_p": text.small_p,
        "count": text.count,
        "cell": cells.cell,
        "explained": cells.explained,
    }
    return environment
