"""From collected runs to the files of the report. The page itself comes last: if it is new, all is."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import jinja2

from pixelcnn.report import provenance, text
from pixelcnn.report.collect import Collected, Run, Status, collect
from pixelcnn.report.compare import measure
from pixelcnn.report.links import read_links
from pixelcnn.report.section import DatasetSection, build_section
from pixelcnn.report.style import data_uri
from pixelcnn.report.tables import comparison_table, pairs_table, runs_table
from pixelcnn.system.files import atomic

REPORT = "report"

#: The tables for machines, in words.
WHAT = {
    "metrics.csv": "a row a run",
    "comparison.csv": "a row a dataset and variant",
    "pairs.csv": "a row a pair of variants",
}


@dataclass(frozen=True)
class Download:
    """A table for machines as the page offers it: its file, its content as an address, what a row is."""

    file: str
    uri: str
    what: str


def build_report(benchmark_dir: Path) -> Path:
    """Write the report of whatever the benchmark's folder holds now; returns the page's path.

    Raises:
        UserError: if the folder is none of a benchmark, or its runs do not compare.
    """
    collected = collect(Path(benchmark_dir))
    target = collected.directory / REPORT
    sections = [build_section(dataset, collected, target) for dataset in collected.datasets]
    _remove_others(target / "figures", {file for section in sections for file in section.files})
    tables = {
        "metrics.csv": runs_table(collected.runs),
        "comparison.csv": comparison_table([(section.runs, section.results) for section in sections]),
        "pairs.csv": pairs_table([(section.runs, section.pairs) for section in sections]),
    }
    texts = {name: table.to_csv(index=False) for name, table in tables.items()}
    for name, content in texts.items():
        _write(target / name, content)
    downloads = [
        Download(name, data_uri(content.encode(), "text/csv"), WHAT[name]) for name, content in texts.items()
    ]
    _write(target / "report.md", _render("report.md.j2", collected, sections, downloads))
    return _write(target / "index.html", _render("template.html.j2", collected, sections, downloads))


def _remove_others(figures: Path, made: set[str]) -> None:
    """What an earlier report pictured and this one does not, such as a variant that was renamed."""
    for path in figures.glob("[!.]*"):
        if f"figures/{path.stem}.png" not in made:
            path.unlink()


def _write(path: Path, content: str) -> Path:
    with atomic(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path


# ----------------------------------------------------------------------------------- the pages


def _render(
    template: str, collected: Collected, sections: list[DatasetSection], downloads: list[Download]
) -> str:
    benchmark = collected.benchmark
    unfinished = [run for run in collected.runs if not run.finished]
    page = _environment().get_template(template)
    script = resources.files("pixelcnn.report").joinpath("sort.js").read_text(encoding="utf-8")
    return page.render(
        benchmark=benchmark,
        title=benchmark.title or benchmark.benchmark,
        sections=sections,
        total=len(collected.runs),
        finished=len(collected.runs) - len(unfinished),
        unfinished=len(unfinished),
        notices=list(_notices(unfinished, collected.directory)),
        tally=[(status, n) for status in URGENCY if (n := sum(r.status is status for r in unfinished))],
        strays=[path.relative_to(collected.directory).as_posix() for path in collected.strays],
        facts=provenance.facts(collected),
        recipes=provenance.recipes(benchmark),
        common=provenance.common_recipe(benchmark),
        config=_config_words(collected),
        downloads=downloads,
        script=script,
        # The page allows this script and no other.
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        links=read_links(collected.directory),
        runs=collected.runs,
        measure=measure,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


@dataclass(frozen=True)
class Notice:
    """Why runs have no result, in the words of their status; `folder` names one, or several {0,1,2}."""

    folder: str
    status: Status
    detail: str


#: What comes first among the notices: that which a person has to mend.
URGENCY = (
    Status.FAILED,
    Status.DAMAGED,
    Status.OUTDATED,
    Status.INTERRUPTED,
    Status.NOT_EVALUATED,
    Status.RUNNING,
    Status.MISSING,
)


def _notices(unfinished: Sequence[Run], directory: Path) -> Iterator[Notice]:
    """A notice a run, but one for all seeds of a variant that have the same to say."""
    groups: dict[tuple[Status, str, str], list[int]] = {}
    for run in sorted(unfinished, key=lambda run: URGENCY.index(run.status)):
        parent = run.folder.parent.relative_to(directory).as_posix()
        groups.setdefault((run.status, parent, run.detail), []).append(run.spec.seed)
    for (status, parent, detail), seeds in groups.items():
        listed = ",".join(map(str, seeds))
        yield Notice(
            f"{parent}/seed{{{listed}}}" if len(seeds) > 1 else f"{parent}/seed{listed}", status, detail
        )


def _config_words(collected: Collected) -> str:
    """The config without `tracking`: an address may hold a password, and decides no result."""
    content = {k: v for k, v in collected.benchmark.to_json().items() if k != "tracking"}
    return json.dumps(content, indent=2, ensure_ascii=False)


def _environment() -> jinja2.Environment:
    folder = resources.files("pixelcnn.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
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
        "duration": provenance.duration,
        "md": text.markdown,
        "commit": text.commit,
        "signed": text.signed,
        "small_time": text.small_time,
        "count": text.count,
    }
    return environment
