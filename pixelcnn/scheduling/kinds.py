"""The kinds of jobs, in one table: what each is for, what it makes, what that must say, how much work it is.

A new kind of job is a command of `pixelcnn`, a rule that calls it and an entry here.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pixelcnn.config.benchmark import AnalysisSpec, Benchmark
from pixelcnn.config.run_spec import RunSpec, dataset_digest
from pixelcnn.results.folder import BenchmarkFolder, RunFolder, folder_of
from pixelcnn.results.records import sampled
from pixelcnn.scheduling import work
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json


@dataclass(frozen=True)
class Kind:
    """One kind of job. `runs` are those that a job of it is for: one, or all of its variant or dataset.

    It reads what the kinds that it comes `after` have made. `makes` are the files that it makes, by the first
    of which one knows that it did; `said` is what the record of that says, None if it cannot be read;
    `wanted` is what it must say to be what the config asks for now: a set stands for any of its values, and
    what else it says is free. Without `work` its jobs ask for the same resources always. Those `on_cpu`
    compute there, whatever the benchmark's device.
    """

    of: Literal["dataset", "variant", "run"]
    after: tuple[str, ...]
    makes: Callable[[BenchmarkFolder, RunSpec], tuple[Path, ...]]
    said: Callable[[BenchmarkFolder, RunSpec], Any]
    wanted: Callable[[Benchmark, Sequence[RunSpec]], dict[str, Any]]
    work: Callable[[Benchmark, RunSpec, work.Description], work.Work] | None = None
    on_cpu: bool = False

    def made(self, folder: BenchmarkFolder, run: RunSpec) -> Path:
        """The file by which one knows that a job for a run was done."""
        return self.makes(folder, run)[0]


def _json(path: Path) -> Any:
    """What a JSON file says; None if it is not there or cannot be read, as after a crash of the disk."""
    try:
        return read_json(path)
    except (UserError, OSError):
        return None


def description(data: Path) -> work.Description:
    """What a file of prepared data says of itself; a benchmark of a thousand runs asks for the same few.

    Raises:
        FileNotFoundError: if there is none.
        UserError: if it is damaged.
    """
    # As text: Snakemake looks for that of a missing path among its inputs.
    return _description(data, os.stat(str(data)).st_mtime_ns)


@functools.lru_cache
def _description(data: Path, changed: int) -> work.Description:
    from pixelcnn.data.prepared import read_description  # only here: numpy takes time to import

    return read_description(data)


def _said_of_data(data: Path) -> Any:
    try:
        return description(data)
    except (UserError, OSError):
        return None


def _said_of_training(run: RunFolder) -> Any:
    """What its records say; nothing while a training of the same that has ended waits to replace it."""
    if run.told is None:
        return None
    said = {"digest": run.told, "data_sha256": _json(run.record_file).get("data_sha256")}
    waits = _json(run.attempt.record_file)
    if isinstance(waits, dict) and waits.items() >= (said | {"status": "finished"}).items():
        return None
    return said


def _of_its_dataset(benchmark: Benchmark, runs: Sequence[RunSpec]) -> dict[str, Any]:
    return {"digest": dataset_digest(runs[0].dataset)}


def _of_its_data(benchmark: Benchmark, runs: Sequence[RunSpec]) -> dict[str, Any]:
    """Of the images as they are; without any there is nothing to compare with."""
    data = _said_of_data(folder_of(benchmark).dataset(runs[0].dataset_name).data)
    # A record of an older version does not name them.
    return {} if data is None else {"data_sha256": {data.get("sha256"), None}}


def _of_its_training(benchmark: Benchmark, runs: Sequence[RunSpec]) -> dict[str, Any]:
    return {"digest": runs[0].digest, **_of_its_data(benchmark, runs)}


def analysis_settings(spec: RunSpec, analysis: AnalysisSpec) -> dict[str, Any]:
    """The settings that the analysis of a run depends on: only conditional ones have samples judged."""
    settings = dataclasses.asdict(analysis)
    if not spec.variant.conditional:
        del settings["samples"]
    return settings


def _of_its_audit(benchmark: Benchmark, runs: Sequence[RunSpec]) -> dict[str, Any]:
    """Of the first seed's weights as they are, and of as many images as there are of those asked for."""
    folder = folder_of(benchmark)
    record = _json(folder.run_of(runs[0]).record_file)
    data = _said_of_data(folder.dataset(runs[0].dataset_name).data)
    wanted = _of_its_training(benchmark, runs)
    if isinstance(record, dict):
        wanted |= {"run_id": record.get("run_id")}
    if isinstance(counts := (data or {}).get("counts"), dict):
        wanted |= {"images": min(benchmark.audited, counts["test"])}
    return wanted


KINDS: dict[str, Kind] = {
    "prepare": Kind(
        of="dataset",
        after=(),
        makes=lambda folder, run: (folder.dataset(run.dataset_name).data,),
        said=lambda folder, run: _said_of_data(folder.dataset(run.dataset_name).data),
        wanted=_of_its_dataset,
    ),
    "classify": Kind(
        of="dataset",
        after=("prepare",),
        makes=lambda folder, run: folder.dataset(run.dataset_name).classified,
        said=lambda folder, run: _json(folder.dataset(run.dataset_name).classifier_note),
        wanted=lambda benchmark, runs: _of_its_dataset(benchmark, runs) | _of_its_data(benchmark, runs),
        work=work.classification,
    ),
    "train": Kind(
        of="run",
        after=("prepare",),
        makes=lambda folder, run: (folder.run_of(run).checkpoint,),
        said=lambda folder, run: _said_of_training(folder.run_of(run)),
        wanted=_of_its_training,
        work=work.training,
    ),
    # In a tuning, in the place of all others of a run: nothing is made of the test images there.
    "trial": Kind(
        of="run",
        after=("prepare",),
        makes=lambda folder, run: (folder.run_of(run).trial_file,),
        said=lambda folder, run: _json(folder.run_of(run).trial_file),
        wanted=_of_its_training,
        work=work.training,
    ),
    "evaluate": Kind(
        of="run",
        after=("prepare", "train"),
        makes=lambda folder, run: folder.run_of(run).evaluated,
        said=lambda folder, run: _json(folder.run_of(run).metrics_file),
        wanted=_of_its_training,
        work=work.evaluation,
    ),
    "sample": Kind(
        of="run",
        after=("prepare", "train"),
        makes=lambda folder, run: folder.run_of(run).drawn,
        said=lambda folder, run: _json(folder.run_of(run).sampled),
        wanted=lambda benchmark, runs: sampled(runs[0], benchmark.sampling),
        work=work.sampling,
    ),
    "analyse": Kind(
        of="run",
        after=("prepare", "classify", "train", "sample"),
        makes=lambda folder, run: folder.run_of(run).analysed,
        said=lambda folder, run: _json(folder.run_of(run).analysis_file),
        wanted=lambda benchmark, runs: {
            **_of_its_training(benchmark, runs),
            "settings": analysis_settings(runs[0], benchmark.analysis),
        },
        work=work.analysis,
    ),
    "measure": Kind(
        of="variant",
        after=("prepare", "train"),
        makes=lambda folder, run: (folder.cost(run.dataset_name, run.variant_name),),
        said=lambda folder, run: _json(folder.cost(run.dataset_name, run.variant_name)),
        wanted=lambda benchmark, runs: {
            "digest": {run.digest for run in runs},
            "threads": benchmark.threads,
        },
        work=work.measurement,
    ),
    "audit": Kind(
        of="variant",
        after=("prepare", "train", "evaluate"),
        makes=lambda folder, run: (folder.audit(run.dataset_name, run.variant_name),),
        said=lambda folder, run: _json(folder.audit(run.dataset_name, run.variant_name)),
        wanted=_of_its_audit,
        work=work.audit,
        on_cpu=True,
    ),
}

#: Those that train: tried again they go on where they were.
TRAIN = ("train", "trial")
#: Those that every run goes through, in this order.
OF_A_RUN = tuple(name for name, kind in KINDS.items() if kind.of == "run" and name != "trial")


def of_a_run(benchmark: Benchmark) -> tuple[str, ...]:
    """Those that every run of a benchmark goes through, in this order; a tuning's runs are trials."""
    return OF_A_RUN if benchmark.tunes is None else ("trial",)
