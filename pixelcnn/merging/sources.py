"""A benchmark's folder as one of those to be joined: its config, its data and its runs, only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.reading import load_planned
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.prepared import read_description
from pixelcnn.results.folder import BenchmarkFolder, RunFolder
from pixelcnn.results.records import Record
from pixelcnn.system import locks
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json


@dataclass(frozen=True)
class Source:
    """A folder to be joined. `note` is what an earlier merge left there, `data` the SHA-256 by dataset.

    Of a `compact` one only what `merging.compact` says is taken.
    """

    folder: BenchmarkFolder
    benchmark: Benchmark
    data: Mapping[str, str]
    note: Mapping[str, Any] = field(default_factory=dict)
    compact: bool = False

    @property
    def name(self) -> str:
        """The benchmark's: a folder that was joined may be called otherwise."""
        return str(self.note.get("benchmark", self.benchmark.benchmark))

    def came_from(self, name: str) -> str:
        """The folder in which a run was found first."""
        runs = self.note.get("runs", {})
        return str(runs[name]["from"]) if name in runs else str(self.folder.path)


def read_source(path: Path, *, compact: bool = False) -> Source:
    """What a folder holds.

    Raises:
        UserError: if it is no benchmark's folder, is one of a tuning's trials, or is being worked on.
    """
    folder = BenchmarkFolder(path)
    if not folder.config.is_file():
        raise UserError(
            f"{path}: no {folder.config.name} there; expected the folder of a benchmark, results/NAME"
        )
    benchmark = load_planned(folder.config)
    if benchmark.tunes is not None:
        raise UserError(f"{path}: holds the trials of a tuning, which are not compared; expected a benchmark")
    if holder := locks.holder(folder.workflow_lock):
        raise UserError(f"{path}: a workflow works on it ({holder}); merge once it has ended")
    files = {name: folder.dataset(name).data for name in benchmark.datasets}
    data = {name: str(read_description(file)["sha256"]) for name, file in files.items() if file.is_file()}
    note = read_json(folder.merged) if folder.merged.is_file() else {}
    return Source(folder, benchmark, data, note, compact)


@dataclass(frozen=True)
class Found:
    """A run of a source that ended well, or failed; `files` are those to be copied, by name."""

    spec: RunSpec
    source: Source
    record: Record
    files: Mapping[str, Path]

    @property
    def finished(self) -> bool:
        """Whether its training came to its end."""
        return self.record.status == "finished"

    @property
    def place(self) -> Path:
        """Its folder."""
        return self.source.folder.run_of(self.spec).path


def runs_of(source: Source) -> tuple[list[Found], list[str]]:
    """The runs of a source that its config asks for, and a line on each thing that is left where it is.

    Raises:
        UserError: if a record is damaged.
    """
    found, left = [], []
    asked = source.benchmark.runs()
    for spec in asked:
        run = source.folder.run_of(spec)
        one, why = _found(spec, source, run)
        found += [one] if one else []
        left += [f"{run.path}: {line}" for line in why]
    strays = {run.path for run in source.folder.runs()} - {source.folder.run_of(s).path for s in asked}
    return found, left + [f"{path}: left out, its config does not ask for it" for path in sorted(strays)]


def _found(spec: RunSpec, source: Source, run: RunFolder) -> tuple[Found | None, list[str]]:
    left = []
    if locks.holder(run.lock):
        return None, ["left out, it is being trained"]
    if states := sorted(path.name for path in run.path.glob(run.state("*").name)):
        left.append(f"its saved state is left where it is ({', '.join(states)})")
    attempt = _record(run.attempt)
    if attempt and attempt.status != "failed":
        left.append(f"left out, a training that is {attempt.status}")
    with_attempt = attempt is not None and attempt.status == "failed"
    record = _record(run) or (attempt if with_attempt else None)
    if record is None:
        return None, left
    if record.status not in ("finished", "failed"):
        return None, [*left, f"left out, its training is {record.status}"]
    return Found(spec, source, record, dict(_files(run, with_attempt))), left


def _record(run: RunFolder) -> Record | None:
    try:
        return run.record()
    except TypeError as error:
        raise UserError(f"{run.record_file}: damaged ({error}); the run must be trained again") from None


def _files(run: RunFolder, with_attempt: bool) -> Iterator[tuple[str, Path]]:
    """What of a run is copied: everything but locks, saved states and what is still being written."""
    for path in sorted(run.path.rglob("*")):
        name = path.relative_to(run.path)
        hidden = any(part.startswith(".") for part in name.parts)
        state = path.match(run.state("*").name)
        in_attempt = name.parts[0] == run.attempt.path.name
        if path.is_file() and not hidden and not state and (with_attempt or not in_attempt):
            yield name.as_posix(), path
