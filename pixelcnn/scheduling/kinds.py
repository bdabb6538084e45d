"""The kinds of jobs, in one table: what each is for, what it makes, what that must say, how much work it is.

A new kind of job is a command of `pixelcnn`, a rule that calls it and an entry here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pixelcnn.config.benchmark import AnalysisSpec, Benchmark
from pixelcnn.config.run_spec import RunSpec, dataset_digest
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.results.records import sampled
from pixelcnn.scheduling import work
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json


@dataclass(frozen=True)
class Kind:
    """One kind of job. `runs` are those that a job of it is for: one, or all of its variant or dataset.

    `made` is what it makes, `said` what the record of that says, None if it cannot be read; `wanted` is what
    it must say to be what the config asks for now: a set stands for any of its values, and what else it says
    is free. Without `work` its jobs ask for the same resources always.
    """

    of: Literal["dataset", "variant", "run"]
    made: Callable[[BenchmarkFolder, RunSpec], Path]
    said: Callable[[BenchmarkFolder, RunSpec], Any]
    wanted: Callable[[Benchmark, Sequence[RunSpec]], dict[str, Any]]
    work: Callable[[Benchmark, RunSpec, work.Description], work.Work] | None = None


def _json(path: Path) -> Any:
    """What a JSON file says; None if it is not there or cannot be read, as after a crash of the disk."""
    try:
        return read_json(path)
    except (UserError, OSError):
        return None


def _description(data: Path) -> Any:
    from pixelcnn.data.prepared import read_description  # only here: numpy takes time to import

    try:
        return read_description(data)
    except UserError:
        return None


def _of_its_dataset(benchmark: Benchmark, runs: Sequence[RunSpec]) -> dict[str, Any]:
    # Not the SHA-256 of the data: that of data which are to be prepared anew is not known yet.
    return {"digest": dataset_digest(runs[0].dataset)}


def _of_its_training(benchmark: Benchmark, runs: Sequence[RunSpec]) -> dict[str, Any]:
    return {"digest": runs[0].digest}


def analysis_settings(spec: RunSpec, analysis: AnalysisSpec) -> dict[str, Any]:
    """The settings that the analysis of a run depends on: only conditional ones have samples judged."""
    settings = dataclasses.asdict(analysis)
    if not spec.variant.conditional:
        del settings["samples"]
    return settings


KINDS: dict[str, Kind] = {
    "prepare": Kind(
        of="dataset",
        made=lambda folder, run: folder.dataset(run.dataset_name).data,
        said=lambda folder, run: _description(folder.dataset(run.dataset_name).data),
        wanted=_of_its_dataset,
    ),
    "classify": Kind(
        of="dataset",
        made=lambda folder, run: folder.dataset(run.dataset_name).classifier,
        said=lambda folder, run: _json(folder.dataset(run.dataset_name).classifier_note),
        wanted=_of_its_dataset,
        work=work.classification,
    ),
    "train": Kind(
        of="run",
        made=lambda folder, run: folder.run_of(run).checkpoint,
        said=lambda folder, run: _json(folder.run_of(run).spec_file),
        wanted=_of_its_training,
        work=work.training,
    ),
    "evaluate": Kind(
        of="run",
        made=lambda folder, run: folder.run_of(run).metrics_file,
        said=lambda folder, run: _json(folder.run_of(run).metrics_file),
        wanted=_of_its_training,
        work=work.evaluation,
    ),
    "sample": Kind(
        of="run",
        made=lambda folder, run: folder.run_of(run).samples,
        said=lambda folder, run: _json(folder.run_of(run).sampled),
        wanted=lambda benchmark, runs: sampled(runs[0], benchmark.sampling),
        work=work.sampling,
    ),
    "analyse": Kind(
        of="run",
        made=lambda folder, run: folder.run_of(run).analysis_file,
        said=lambda folder, run: _json(folder.run_of(run).analysis_file),
        wanted=lambda benchmark, runs: {
            "digest": runs[0].digest,
            "settings": analysis_settings(runs[0], benchmark.analysis),
        },
        work=work.analysis,
    ),
    "measure": Kind(
        of="variant",
        made=lambda folder, run: folder.cost(run.dataset_name, run.variant_name),
        said=lambda folder, run: _json(folder.cost(run.dataset_name, run.variant_name)),
        wanted=lambda benchmark, runs: {
            "digest": {run.digest for run in runs},
            "threads": benchmark.threads,
        },
        work=work.measurement,
    ),
}

#: Those that every run goes through, in this order.
OF_A_RUN = tuple(name for name, kind in KINDS.items() if kind.of == "run")
