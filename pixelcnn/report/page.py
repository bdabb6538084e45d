"""From collected runs to the files of the report. The page itself comes last: if it is new, all is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import jinja2
import pandas as pd

from pixelcnn.errors import DataError
from pixelcnn.files import atomic
from pixelcnn.grids import by_class
from pixelcnn.report import figures, grids, provenance, text
from pixelcnn.report.collect import Collected, DatasetRuns, Run, Status, collect
from pixelcnn.report.compare import Headline, VariantResult, headline, rank
from pixelcnn.report.grids import Tile
from pixelcnn.report.style import Drawing, data_uri, save
from pixelcnn.report.tables import comparison_table, runs_table

REPORT = "report"


@dataclass(frozen=True)
class Plate:
    """A picture as both pages show it: embedded as `uri`, or beside the page as `file`."""

    name: str
    uri: str
    file: str
    caption: str
    alt: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True)
class DatasetSection:
    """All that the page says about one dataset. Counts are images by split, dims C·H·W."""

    runs: DatasetRuns
    results: list[VariantResult]
    headline: Headline | None
    plots: list[Plate]
    real: Plate | None
    samples: list[Plate]
    completions: list[Plate]
    counts: dict[str, tuple[int, ...]]
    mixtures: list[str]
    trouble: list[str]

    @property
    def dims(self) -> int | None:
        """Dimensions of an image, from the evaluated runs."""
        return next((run.metrics.dims for run in self.runs.runs if run.finished and run.metrics), None)


def build_report(benchmark_dir: Path) -> Path:
    """Write the report of whatever the benchmark's folder holds now; returns the page's path.

    Raises:
        UserError: if the folder is none of a benchmark, or its runs do not compare.
    """
    collected = collect(Path(benchmark_dir))
    target = collected.directory / REPORT
    sections = [_section(dataset, collected, target) for dataset in collected.datasets]
    _write_csv(target / "metrics.csv", runs_table(collected.runs))
    ranked = [(section.runs, section.results) for section in sections]
    _write_csv(target / "comparison.csv", comparison_table(ranked))
    _write(target / "report.md", _render("report.md.j2", collected, sections))
    return _write(target / "index.html", _render("template.html.j2", collected, sections))


def _write(path: Path, content: str) -> Path:
    with atomic(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)


# ------------------------------------------------------------------------- pictures of a dataset


def _section(dataset: DatasetRuns, collected: Collected, target: Path) -> DatasetSection:
    results = rank(dataset)
    trouble: list[str] = []
    real, counts = _real(dataset, collected, target, trouble)
    samples = _samples(dataset, results, collected, target, trouble)
    completions = _completions(dataset, results, target, trouble)
    return DatasetSection(
        runs=dataset,
        results=results,
        headline=headline(results),
        plots=_plots(dataset.name, results, target),
        real=real,
        samples=samples,
        completions=completions,
        counts=counts,
        mixtures=provenance.mixtures(dataset),
        trouble=[sentence.replace(f"{collected.directory}/", "") for sentence in trouble],
    )


def _plots(dataset: str, results: Sequence[VariantResult], target: Path) -> list[Plate]:
    makers: list[tuple[str, Callable[[Sequence[VariantResult]], Drawing | None]]] = [
        ("nll", figures.nll_by_seed),
        ("learning", figures.learning_curves),
        ("cost", figures.quality_against_cost),
    ]
    plates = []
    for kind, make in makers:
        drawing = make(results)
        if drawing is not None:
            uri = save(drawing.figure, target / "figures" / f"{dataset}.{kind}")
            file = f"figures/{dataset}.{kind}.png"
            plates.append(Plate(kind, uri, file, drawing.caption, drawing.alt))
    return plates


def _real(
    dataset: DatasetRuns, collected: Collected, target: Path, trouble: list[str]
) -> tuple[Plate | None, dict[str, tuple[int, ...]]]:
    if not dataset.data_file.exists():
        return None, {}
    try:
        images, labels = grids.read_images(dataset.data_file, "test_images", "test_labels")
        counts = grids.counts(dataset.data_file)
    except DataError as error:
        trouble.append(str(error))
        return None, {}
    number = collected.benchmark.sampling.images
    order = (by_class(labels) if labels is not None else list(range(len(images))))[:number]
    tile = grids.tile("real", "Real test images", images[order], dataset.spec.levels)
    return _plate(dataset.name, tile, target), counts


def _samples(
    dataset: DatasetRuns,
    results: Sequence[VariantResult],
    collected: Collected,
    target: Path,
    trouble: list[str],
) -> list[Plate]:
    """The samples of each variant's first seed that has any, in ranked order."""
    plates = []
    for result in results:
        run = next((r for r in result.variant.runs if r.samples), None)
        if run is None or run.samples is None:
            continue
        try:
            images, labels = grids.read_images(run.samples, "images", "labels")
        except DataError as error:
            trouble.append(str(error))
            continue
        words = f"Samples of {result.name}, seed {run.spec.seed}"
        if result.conditional and labels is not None:
            images = images[by_class(labels)]
            words += ", class after class"
        tile = grids.tile(f"samples.{result.name}", words, images, dataset.spec.levels)
        plates.append(_plate(dataset.name, tile, target))
    return plates


def _completions(
    dataset: DatasetRuns, results: Sequence[VariantResult], target: Path, trouble: list[str]
) -> list[Plate]:
    """The completed test images of each variant's first seed that has any, in ranked order."""
    plates = []
    for result in results:
        run = next((r for r in result.variant.runs if r.completions), None)
        if run is None or run.completions is None:
            continue
        try:
            found = grids.read_completions(run.completions)
        except DataError as error:
            trouble.append(str(error))
            continue
        times = found.completions.shape[1]
        words = f"{result.name}, seed {run.spec.seed}: upper half given, {times} completions, original"
        if result.conditional:
            words += "; the label is given, too"
        tile = grids.completions_tile(f"completions.{result.name}", words, found, dataset.spec.levels)
        plates.append(_plate(dataset.name, tile, target))
    return plates


def _plate(dataset: str, tile: Tile, target: Path) -> Plate:
    file = f"figures/{dataset}.{tile.name}.png"
    with atomic(target / file) as temporary:
        temporary.write_bytes(tile.png)
    uri = data_uri(tile.png, "image/png")
    return Plate(tile.name, uri, file, tile.caption, tile.caption, tile.width, tile.height)


# ----------------------------------------------------------------------------------- the pages


def _render(template: str, collected: Collected, sections: list[DatasetSection]) -> str:
    benchmark = collected.benchmark
    unfinished = [run for run in collected.runs if not run.finished]
    page = _environment().get_template(template)
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
    }
    return environment
