"""Benchmarks into the folder of a site, new or published before: others' entries there stay as they are."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.reading import load_planned
from pixelcnn.results.folder import BenchmarkFolder, ReportFolder
from pixelcnn.results.made_of import report_digest
from pixelcnn.site.copies import copy_records, copy_report, json_text
from pixelcnn.site.models import MODELS, Say, copy_models
from pixelcnn.site.numbers import numbers_of
from pixelcnn.site.pages import index_page, readme, records_page
from pixelcnn.site.schema import FORMAT, numbers_schema
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import atomic, read_json

#: As that of each report: what a web server shows of a folder.
INDEX = ReportFolder(Path()).page.name
#: The folder in a site where the next state of it is made.
SCRATCH = ".publishing-"
README, NUMBERS, SCHEMA = "README.md", "numbers.json", "numbers.schema.json"
Entry = dict[str, Any]


def _quiet(sentence: str) -> None:
    pass


def publish(directories: Sequence[Path], site: Path, say: Say = _quiet) -> Path:
    """Publish benchmarks, each with a current report, in `site`; returns the page that lists them.

    Those of the same name there are replaced, others stay; of those whose folder was removed nothing does.
    All is made beside first: what fails before that leaves the site as it was. The same folders give the same
    bytes. `say` is told which models are left out.

    Raises:
        UserError: if a folder is none of a benchmark or has no current report, two have the same name, or
            `site` is a folder of something else.
    """
    found = [_read(directory) for directory in directories]
    names = [benchmark.benchmark for _, benchmark in found]
    _check_names([folder.path for folder, _ in found], names, site)
    earlier = _entries(site)
    kept = _kept(earlier, site)
    listed = {entry["name"] for entry in earlier if entry["models"]}
    for name in names:
        _check_place(site / name, published=name in kept)
        _check_place(site / MODELS / name, published=name in listed)
    with _within(site) as made:
        (made / MODELS).mkdir()
        for folder, benchmark in found:
            kept[benchmark.benchmark] = _make(folder, benchmark, made, say)
        # By date, the latest first.
        entries = sorted(sorted(kept.values(), key=lambda e: e["name"]), key=_date, reverse=True)
        for name in names:
            for place in (name, f"{MODELS}/{name}"):
                _replace(made / place, site / place, made / f"{place}.old")
    for entry in earlier:
        if entry["name"] not in kept:
            _remove_models(entry, site)
    numbers = {"$schema": SCHEMA, "format": FORMAT, "benchmarks": entries}
    _write(site / SCHEMA, json_text(numbers_schema()))
    _write(site / NUMBERS, json_text(numbers))
    _write(site / README, readme(entries))
    return _write(site / INDEX, index_page(entries))


def _read(directory: Path) -> tuple[BenchmarkFolder, Benchmark]:
    """A benchmark whose report is there and of the records as they are."""
    folder = BenchmarkFolder(directory)
    if not folder.config.exists():
        raise UserError(f"{folder.config}: not found; expected the folder of one benchmark, results/NAME")
    benchmark = load_planned(folder.config)
    report = folder.report
    made_of = report.made_of.read_text(encoding="utf-8") if report.made_of.exists() else None
    if made_of is None or not report.page.exists():
        raise UserError(f"{report.page}: no report to publish; `pixelcnn report {directory}` writes it")
    if made_of != report_digest(folder, benchmark):
        raise UserError(f"{report.page}: is of older records; `pixelcnn report {directory}` writes it anew")
    return folder, benchmark


def _check_names(folders: list[Path], names: list[str], site: Path) -> None:
    for i, (folder, name) in enumerate(zip(folders, names, strict=True)):
        if name in names[:i]:
            other = folders[names.index(name)]
            raise UserError(f"{other} and {folder}: both are of benchmark {name}; a site has one of a name")
        if name in (INDEX, README, NUMBERS, SCHEMA, MODELS):
            raise UserError(
                f"{folder}: a benchmark called {name} cannot be published, since a site has that itself"
            )
        if site.resolve().is_relative_to(folder.resolve()):
            raise UserError(
                f"{site}: lies in {folder}, which it is made from; choose another folder for the site"
            )


def _check_place(place: Path, *, published: bool) -> None:
    """Refuse to replace what is of someone else."""
    if place.exists() and not published:
        raise UserError(f"{place}: is there already, and nothing that was published; move it away")


def _kept(entries: list[Entry], site: Path) -> dict[str, Entry]:
    """The entries of a site by name, but for those whose folder was removed, and without removed models."""
    return {
        entry["name"]: entry | {"models": _still_there(entry, site)}
        for entry in entries
        if (site / entry["name"] / INDEX).exists()
    }


def _entries(site: Path) -> list[Entry]:
    """The entries of a site as they were published.

    Raises:
        UserError: if it is the folder of something else, or a site of another version.
    """
    if not site.exists():
        return []
    if site.is_dir() and all(path.name.startswith(SCRATCH) for path in site.iterdir()):
        return []
    if not (site / NUMBERS).is_file():
        raise UserError(f"{site}: no site of `pixelcnn publish` (it has no {NUMBERS}); choose another folder")
    numbers = read_json(site / NUMBERS)
    known = isinstance(numbers, dict) and isinstance(numbers.get("benchmarks"), list)
    if not known or numbers.get("format") != FORMAT:
        raise UserError(
            f"{site / NUMBERS}: expected format {FORMAT}, that of this version; choose another folder"
        )
    entries: list[Entry] = numbers["benchmarks"]
    return entries


def _still_there(entry: Entry, site: Path) -> list[Entry]:
    return [model for model in entry["models"] if (site / model["file"]).is_file()]


def _remove_models(entry: Entry, site: Path) -> None:
    """Remove the models that were published with a benchmark, and their folders if they are empty then."""
    for model in _still_there(entry, site):
        path = site / model["file"]
        if not path.resolve().is_relative_to((site / MODELS).resolve()):
            continue  # an edited entry does not reach beyond
        path.unlink()
        with contextlib.suppress(OSError):  # someone's own file is in it
            for folder in path.parents[: len(Path(model["file"]).parts) - 1]:
                folder.rmdir()


def _date(entry: Entry) -> str:
    return entry["date"] or ""


@contextlib.contextmanager
def _within(site: Path) -> Iterator[Path]:
    """A folder on the disk of the site, gone at the end; so is a site that is new and stayed empty."""
    new = not site.exists()
    site.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=site))
    try:
        yield made
    finally:
        shutil.rmtree(made)
        if new and not any(site.iterdir()):
            site.rmdir()


def _make(folder: BenchmarkFolder, benchmark: Benchmark, site: Path, say: Say) -> Entry:
    """All that a site has of a benchmark; returns its entry."""
    target = site / benchmark.benchmark
    target.mkdir()
    entry = numbers_of(folder, benchmark)
    copy_report(folder.report, target, [folder.path.resolve(), Path.cwd(), Path.home()])
    records = copy_records(folder, benchmark, target)
    for run in entry["runs"]:
        run["records"] = records.get((run["dataset"], run["variant"], run["seed"]))
    entry["models"] = copy_models(folder, entry, site, say)
    (target / "records.html").write_text(records_page(entry, target), encoding="utf-8")
    return entry


def _replace(new: Path, target: Path, old: Path) -> None:
    """A folder, or none, in the place of another, which goes to `old`, and comes back if that fails."""
    if target.exists():
        os.replace(target, old)
    if not new.exists():
        return
    try:
        target.parent.mkdir(exist_ok=True)
        os.replace(new, target)
    finally:
        if old.exists() and not target.exists():
            os.replace(old, target)


def _write(path: Path, text: str) -> Path:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
