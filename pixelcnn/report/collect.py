"""From run folders to what the report knows about each run, whatever state it is in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.budget import so_far
from pixelcnn.config.differences import differences, told
from pixelcnn.config.reading import load_planned
from pixelcnn.config.run_spec import DatasetSpec, RunSpec, VariantSpec
from pixelcnn.data.prepared import left_out_words, read_description
from pixelcnn.data.repeated import repeated_words
from pixelcnn.report.comparable import check_comparable
from pixelcnn.results.audit import Audit, audit_of
from pixelcnn.results.folder import BenchmarkFolder, RunFolder, existing
from pixelcnn.results.machines import Machine, main_machine
from pixelcnn.results.metric import RunRecords
from pixelcnn.results.records import Analysis, Cost, Metrics, Record, is_lost
from pixelcnn.system.code_digest import code_digest
from pixelcnn.system.errors import DataError, UserError
from pixelcnn.system.files import read_json

#: A running training writes its record at every validation; longer silence, in seconds, is worth a word.
SILENCE = 3600.0


class Status(StrEnum):
    """The state of a run as its folder shows it. Only a finished one enters a mean."""

    FINISHED = "finished"
    NOT_EVALUATED = "not evaluated"
    RUNNING = "running"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    OUTDATED = "outdated"
    DAMAGED = "damaged"
    MISSING = "missing"


@dataclass(frozen=True)
class Run:
    """One expected run and what its folder holds; `detail` explains a status other than finished."""

    spec: RunSpec
    folder: Path
    status: Status
    detail: str = ""
    record: Record | None = None
    metrics: Metrics | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    analysis: Analysis | None = None
    audit: Audit | None = None

    @property
    def finished(self) -> bool:
        """Whether the run may enter a mean: trained as the config says, and evaluated."""
        return self.status is Status.FINISHED

    @property
    def records(self) -> RunRecords:
        """What its metrics are read from; of an unfinished one its training alone."""
        if not self.finished:
            return RunRecords(self.spec.variant.conditional, self.record)
        return RunRecords(
            self.spec.variant.conditional,
            self.record,
            self.metrics,
            self.analysis,
            self.history,
            self.audit,
        )

    @property
    def stale(self) -> bool | None:
        """Whether the code that trained or evaluated it was edited since; None if its records do not say."""
        codes = {found.code for found in (self.record, self.metrics) if found} - {None}
        return codes != {self._code} if codes else None

    @property
    def trained_by_other_code(self) -> bool:
        """Whether the code that trained it was edited since: to evaluate it again would not help."""
        return self.record is not None and self.record.code not in (None, self._code)

    @property
    def _code(self) -> str:
        return code_digest(self.spec.variant.model)

    @property
    def samples(self) -> Path | None:
        """The file of sampled images, of a run whose training is the config's."""
        return self._of_its_training(RunFolder(self.folder).samples)

    @property
    def completions(self) -> Path | None:
        """The file of completed test images, of a run whose training is the config's."""
        return self._of_its_training(RunFolder(self.folder).completions)

    @property
    def nats(self) -> Path | None:
        """The file of test NLL by image and by pixel, of a finished run."""
        return existing(RunFolder(self.folder).nats) if self.finished else None

    @property
    def maps(self) -> Path | None:
        """The file of receptive fields and neighbours, of an analysed run."""
        return existing(RunFolder(self.folder).analysis_arrays) if self.analysis else None

    def _of_its_training(self, path: Path) -> Path | None:
        trained = self.status in (Status.FINISHED, Status.NOT_EVALUATED)
        return existing(path) if trained else None


@dataclass(frozen=True)
class VariantRuns:
    """The runs of one variant on one dataset, one a seed, and what it costs where that was measured.

    `baseline` says that its architecture is one to hold networks against, and none of them; None: not known.
    `truth` says that it knows what the images were drawn from, and so competes with none.
    `machine` is that of most runs on the dataset, by which variants are compared in what they cost.
    """

    name: str
    spec: VariantSpec
    runs: list[Run]
    cost: Cost | None = None
    baseline: bool | None = None
    truth: bool = False
    machine: Machine | None = None

    @property
    def finished(self) -> list[Run]:
        """The runs that enter a mean."""
        return [run for run in self.runs if run.finished]

    @property
    def audit(self) -> Audit | None:
        """What one of its runs paid for test images."""
        return next((run.audit for run in self.finished if run.audit), None)

    @property
    def commits(self) -> list[str]:
        """The commits whose code trained the runs that enter a mean."""
        return sorted({run.record.commit or "unknown" for run in self.finished if run.record})

    @property
    def stale(self) -> bool:
        """Whether the code that trained one of them was edited since."""
        return any(run.stale for run in self.finished)


@dataclass(frozen=True)
class DatasetRuns:
    """The runs on one dataset, variant by variant as the config lists them.

    `repeated` are sentences on images that stand in two of its splits, `left_out` on files that could not be
    read.
    """

    name: str
    spec: DatasetSpec
    data_file: Path
    variants: list[VariantRuns]
    repeated: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        """Every run on this dataset."""
        return [run for variant in self.variants for run in variant.runs]


@dataclass(frozen=True)
class Collected:
    """A benchmark and its runs; `strays` are run folders that the config does not ask for."""

    benchmark: Benchmark
    directory: Path
    datasets: list[DatasetRuns]
    strays: list[Path]

    @property
    def runs(self) -> list[Run]:
        """Every expected run."""
        return [run for dataset in self.datasets for run in dataset.runs]


def collect(directory: Path) -> Collected:
    """Read what a benchmark's folder holds right now.

    Raises:
        UserError: if the folder has no config, or its runs were evaluated on different data.
    """
    folder = BenchmarkFolder(directory)
    config = folder.config
    if not config.is_file():
        raise UserError(
            f"{config}: not found; expected the folder of one benchmark, results/NAME, "
            f"which holds {config.name} and DATASET/VARIANT/seedN"
        )
    benchmark = load_planned(config)
    data = {name: _description(folder.dataset(name).data) for name in benchmark.datasets}
    runs = [read_run(s, folder.run_of(s).path, data[s.dataset_name].get("sha256")) for s in benchmark.runs()]
    datasets = [
        DatasetRuns(
            name,
            spec,
            folder.dataset(name).data,
            list(_variants(benchmark, name, runs, folder)),
            repeated_words(data[name]),
            left_out_words(data[name]),
        )
        for name, spec in benchmark.datasets.items()
    ]
    for dataset in datasets:
        check_comparable({run.spec.name: run.metrics for run in dataset.runs if run.finished and run.metrics})
    expected = {run.folder for run in runs}
    strays = [run.path for run in folder.runs() if run.path not in expected]
    return Collected(benchmark, directory, datasets, strays)


def _variants(
    benchmark: Benchmark, dataset: str, runs: list[Run], folder: BenchmarkFolder
) -> Iterator[VariantRuns]:
    baselines, truths = (_planned(folder.plan, dataset, key) for key in ("baseline", "truth"))
    here = [r for r in runs if r.spec.dataset_name == dataset]
    machine = main_machine(run.record for run in here if run.finished and run.record)
    for name, spec in benchmark.variants.items():
        own = [r for r in here if r.spec.variant_name == name]
        on_these = own[0].spec.variant if own else benchmark.variant_on(dataset, name)
        spec = replace(spec, conditional=on_these.conditional, likelihood=on_these.likelihood)
        cost = _cost(folder.cost(dataset, name), own)
        planned = baselines.get(name), truths.get(name, False)
        yield VariantRuns(name, spec, own, cost, *planned, machine)


def _planned(path: Path, dataset: str, key: str) -> dict[str, bool]:
    """What was planned of each variant; those of which it is not known are left out."""
    try:
        sizes = read_json(path)[dataset]
        return {name: size[key] for name, size in sizes.items() if type(size.get(key)) is bool}
    except (UserError, KeyError, TypeError, AttributeError):
        return {}  # not there or damaged: planning writes it again


def _cost(path: Path, runs: list[Run]) -> Cost | None:
    """What was measured of a variant as the config has it now."""
    try:
        cost = Cost(**read_json(path)) if path.is_file() else None
    except (UserError, TypeError):
        return None  # damaged: the page shows that nothing was measured
    return cost if cost and cost.digest in {run.spec.digest for run in runs} else None


def _description(path: Path) -> dict[str, Any]:
    """What the prepared data are now; nothing where they are not there, as in a copy of the results."""
    try:
        return read_description(path) if path.is_file() else {}
    except DataError:
        return {}  # damaged: the sample grids' part of the page says so


def read_run(spec: RunSpec, path: Path, data_sha256: str | None = None) -> Run:
    """The state of one expected run; damaged files are a state, not an end of the report."""
    folder = RunFolder(path)
    training = folder.training_of(spec.digest)
    try:
        record, metrics, history = training.record(), folder.metrics(), training.history()
        trained = training.spec()
    except (UserError, TypeError, ValueError) as error:
        return Run(spec, path, Status.DAMAGED, str(error).replace(f"{path}/", ""))
    status, detail = _status(spec, path, trained, record, metrics, data_sha256)
    if status is not Status.FINISHED:
        return Run(spec, path, status, detail, record, metrics, history)
    analysis, audit = _analysis(folder, spec), audit_of(folder, record)
    return Run(spec, path, status, detail, record, metrics, history, analysis, audit)


def _analysis(folder: RunFolder, spec: RunSpec) -> Analysis | None:
    try:
        analysis = folder.analysis()
    except (UserError, TypeError):
        return None  # damaged: as good as not analysed; the test results stand
    return analysis if analysis and analysis.digest == spec.digest else None


def _status(
    spec: RunSpec,
    path: Path,
    trained: RunSpec | None,
    record: Record | None,
    metrics: Metrics | None,
    data_sha256: str | None,
) -> tuple[Status, str]:
    if record is None:
        return Status.MISSING, "no record of a training" if path.exists() else "no folder"
    if trained and trained.digest != spec.digest:
        other = told(differences(trained, spec))
        return Status.OUTDATED, f"trained otherwise than the config now asks for ({other})"
    if record.digest != spec.digest:
        return Status.OUTDATED, f"trained as {record.digest}; the config now asks for {spec.digest}"
    return _status_of_training(spec, path, record) or _status_of_results(spec, metrics, data_sha256)


def _status_of_training(spec: RunSpec, path: Path, record: Record) -> tuple[Status, str] | None:
    """The state of a training that has not come to its end, or whose weights are gone."""
    if record.status == "failed":
        return Status.FAILED, record.error or "no error message was recorded"
    if record.status == "interrupted" or is_lost(record):
        how = "stopped" if record.status == "interrupted" else "its process was killed"
        done = so_far(spec.training, record.epochs, record.images_seen)
        return Status.INTERRUPTED, f"{how} after {done}; the same command resumes from its last saved state"
    if record.status == "running":
        return Status.RUNNING, _progress(spec, path, record)
    if not RunFolder(path).has_weights(record.digest):
        return Status.FAILED, "its checkpoint is gone: retraining it did not start"
    return None


def _status_of_results(spec: RunSpec, metrics: Metrics | None, data_sha256: str | None) -> tuple[Status, str]:
    """Whether a training that finished has test results, and of the data as they are."""
    if metrics is None:
        return Status.NOT_EVALUATED, "trained, but there are no test results"
    if metrics.digest != spec.digest:
        return Status.NOT_EVALUATED, f"trained, but the test results are those of {metrics.digest}"
    if data_sha256 not in (None, metrics.data_sha256):
        return Status.OUTDATED, f"evaluated on data {metrics.data_sha256[:12]}; it is now {data_sha256[:12]}"
    return Status.FINISHED, ""


def _progress(spec: RunSpec, path: Path, record: Record) -> str:
    records = RunFolder(path).training_of(spec.digest)
    written = datetime.fromtimestamp(records.record_file.stat().st_mtime, UTC)
    done = so_far(spec.training, record.epochs, record.images_seen)
    text = f"{done}, last heard of {written:%Y-%m-%d %H:%M} UTC"
    silent = (datetime.now(UTC) - written).total_seconds()
    if silent > SILENCE:
        text += f", silent for {silent / 3600:.1f} h: it may have been killed"
    return text
