"""What MLflow should say about one run, read from its folder; knows nothing of MLflow itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pixelcnn import __version__
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.audit import audit_file, audit_of
from pixelcnn.results.folder import RunFolder, existing
from pixelcnn.results.metric import RunRecords, Source
from pixelcnn.results.metric_table import METRICS, SERIES
from pixelcnn.results.records import Analysis, Metrics, Record, is_lost
from pixelcnn.system import files
from pixelcnn.system.errors import UserError
from pixelcnn.tracking.layout import run_title
from pixelcnn.tracking.model_folder import MODEL_CODE, own_code

HISTORY_PLOT = "history.png"
PREVIEW = "preview.png"
MODEL = "model"
RUN_ID_TAG = "pixelcnn.run_id"
KIND_TAG = "kind"  # "run", or "report" of the one that holds the comparison
GROUP = ("dataset", "variant", "seed")  # tags that only one active run of a folder has together
ERROR_TAG = "error"
#: Where the numbers of a source stand; when it was written is when they were measured.
SOURCES: dict[Source, Callable[[RunFolder], Path]] = {
    "training": lambda folder: folder.record_file,
    "test": lambda folder: folder.metrics_file,
    "analysis": lambda folder: folder.analysis_file,
    "history": lambda folder: folder.history_file,
    "audit": audit_file,
}
MAX_TEXT = 4000  # characters; MLflow refuses or cuts longer values

Dated = TypeVar("Dated", Metrics, Analysis)
Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
STATUSES: dict[str, Status] = {
    "running": "RUNNING",
    "finished": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


@dataclass(frozen=True)
class Point:
    """A value of a metric; `milliseconds` since 1970.

    A `timing` is another number whenever it is taken.
    """

    key: str
    value: float
    milliseconds: int
    step: int = 0
    timing: bool = False


@dataclass(frozen=True)
class Artifact:
    """What to show with the run: a file or the files of a folder as they are, or something made from a file.

    A "picture" is one of MLflow's images by step, a "preview" a small one for the description, the "history"
    a plot, the "model" a folder of MLflow's. The "config" is shown without a password.
    """

    name: str
    source: Path
    digest: str
    kind: Literal["file", "folder", "config", "picture", "preview", "history", "model"] = "file"
    step: int | None = None


@dataclass(frozen=True)
class RunView:
    """Everything that MLflow should hold about a run. Times in milliseconds since 1970."""

    name: str
    title: str
    run_id: str
    status: Status
    started: int
    ended: int | None
    params: dict[str, str]
    tags: dict[str, str]
    series: dict[int, list[Point]]  # by step: an epoch, or images, see `TrainingSpec.counted_in`
    finals: list[Point]
    artifacts: list[Artifact]
    history: list[dict[str, Any]]
    note: str | None = None  # Markdown; "{run_id}" stands for MLflow's own id. Kept once it is there.

    @property
    def group(self) -> dict[str, str]:
        """Tags that no other active run of the benchmark's folder may have."""
        keys = GROUP if self.tags[KIND_TAG] == "run" else (KIND_TAG,)
        return {key: self.tags[key] for key in keys}


def read_view(folder: RunFolder, expected: RunSpec, benchmark: Benchmark, config: Path) -> RunView | None:
    """The view of a run folder, None if its training has not started.

    Raises:
        UserError: if a file is damaged or two of them are not of the same run.
    """
    try:
        folder = _shown(folder, expected.digest)
        record, lost = _read_record(folder)
        if record is None:
            return None
        spec = folder.spec() or expected
        if spec.digest != record.digest:
            raise UserError(
                f"{folder.path}: {folder.spec_file.name} has the digest {spec.digest}, "
                f"{folder.record_file.name} {record.digest}: expected the same; "
                "a training that starts right now mends it"
            )
        title = run_title(benchmark, spec.dataset_name, spec.variant_name, spec.seed)
        view = _view(folder, record, spec, lost, config, title)
        return replace(view, tags=view.tags | _trial_tags(benchmark, spec.variant_name))
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{folder.path}: cannot make sense of its records: {error}") from error
    except OSError as error:
        raise UserError(f"{error.filename or folder.path}: cannot read it: {error.strerror}") from error


def _shown(folder: RunFolder, digest: str) -> RunFolder:
    """Where the training is that is worth looking at: one of this spec that goes on before all others."""
    record = folder.attempt.record()
    if record is not None and (record.digest, record.status) == (digest, "running") and not is_lost(record):
        return folder.attempt
    return folder.training_of(digest)


def _read_record(folder: RunFolder) -> tuple[Record | None, bool]:
    record = folder.record()
    if record is None or not is_lost(record):
        return record, False
    # The process may have written its end between our reading and our looking for it.
    record = folder.record()
    return record, record is not None and is_lost(record)


def _view(folder: RunFolder, record: Record, spec: RunSpec, lost: bool, config: Path, title: str) -> RunView:
    status = STATUSES[record.status]
    error = record.error or ("the training failed and left no reason" if status == "FAILED" else None)
    if lost:
        status = "KILLED"
        error = f"the training process {record.pid} on {record.host} disappeared without recording an end"
    started, history, key = _milliseconds(record.started), folder.history(), spec.training.counted_in
    return RunView(
        name=spec.name,
        title=title,
        run_id=record.run_id,
        status=status,
        started=started,
        ended=_ended(folder, record) if status != "RUNNING" else None,
        params=_params(spec),
        tags=_tags(spec, record, error if status in ("FAILED", "KILLED") else None),
        series={line[key]: _points(line, line[key], started) for line in history},
        finals=_finals(folder, record, spec, status),
        artifacts=_artifacts(folder, record, spec, config, status),
        history=history,
        note=_note(folder) if status == "FINISHED" else None,
    )


def preview(source: Path) -> Artifact:
    """A picture for the description, which the UI shows first of all. Small, or it squeezes the rest."""
    return Artifact(PREVIEW, source, files.sha256(source)[:16], "preview")


def preview_note(alt: str) -> str:
    """The preview in a description."""
    return f"![{alt}](get-artifact?path={PREVIEW}&run_uuid={{run_id}})"


def _note(folder: RunFolder) -> str | None:
    if not folder.sample_grid.exists():
        return None
    load = "The model: `mlflow.pyfunc.load_model('runs:/{run_id}/model')`" if folder.model.exists() else ""
    return f"{preview_note('samples')}\n\n{load}".rstrip()


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns // 1_000_000


def _ended(folder: RunFolder, record: Record) -> int:
    """The recorded end; of a lost process the last sign of life."""
    return _milliseconds(record.ended) if record.ended else _modified(folder.record_file)


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:MAX_TEXT]


def _flat(value: Mapping[str, Any], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        flat |= _flat(item, f"{name}.") if isinstance(item, Mapping) else {name: _text(item)}
    return flat


def _params(spec: RunSpec) -> dict[str, str]:
    """The spec, flattened; the variant's own recipe is already part of `training`, a width that was found of
    `hyperparameters`."""
    left = ("training", "match_parameters")
    variant = {key: item for key, item in asdict(spec.variant).items() if key not in left}
    recipe = {"training": asdict(spec.training), "dataset": asdict(spec.dataset), "seed": spec.seed}
    return _flat({**variant, **recipe}, "")


def _tags(spec: RunSpec, record: Record, error: str | None) -> dict[str, str]:
    tags = {
        KIND_TAG: "run",
        "variant": spec.variant_name,
        "dataset": spec.dataset_name,
        "seed": str(spec.seed),
        "digest": record.digest,
        "host": record.host,
        "device": record.device,
        "precision": record.precision,
        "threads": str(record.threads),
        RUN_ID_TAG: record.run_id,
        "mlflow.source.name": f"pixelcnn train {spec.name}",
        "mlflow.source.type": "LOCAL",
        **{f"version.{name}": version for name, version in record.versions.items()},
    }
    if record.commit:
        tags |= {"commit": record.commit, "mlflow.source.git.commit": record.commit}
    if error:
        tags[ERROR_TAG] = _text(error)
    if record.stopped_early:
        tags["stopped_early"] = "true"
    if record.resumes:
        tags["resumes"] = str(record.resumes)
    if record.changed:
        tags["changed"] = _text("; ".join(record.changed))
    if record.code:
        tags["code"] = record.code
    return tags


def _trial_tags(benchmark: Benchmark, variant: str) -> dict[str, str]:
    """Of a tuning's trial which variant is tuned by it, and its number."""
    tuning = benchmark.tunes.tuning if benchmark.tunes else None
    trials = (trial for trial in tuning.planned if trial.name == variant) if tuning else ()
    return next(({"tuned": trial.variant, "trial": str(trial.number)} for trial in trials), {})


def _points(line: Mapping[str, Any], step: int, started: int) -> list[Point]:
    """The metrics of a history line, timed by its training seconds so that a second look agrees."""
    moment = started + round(1000 * (line.get("seconds") or 0))
    present = ((key, line.get(key)) for key in SERIES)
    return [Point(key, value, moment, step) for key, value in present if value is not None]


def _finals(folder: RunFolder, record: Record, spec: RunSpec, status: Status) -> list[Point]:
    """Single values: what the training cost once it ended, what the test gave once evaluated."""
    finished = status == "FINISHED"
    run = RunRecords(
        spec.variant.conditional,
        record,
        _of_this_training(folder.metrics(), record) if finished else None,
        _of_this_training(folder.analysis(), record) if finished else None,
        audit=audit_of(folder, record) if finished else None,
    )
    started, points = _milliseconds(record.started), []
    for metric in METRICS:
        shown = metric.tracked
        # A failed or killed training may go on, and MLflow would keep what it cost until now as a point.
        value = metric.of(run) if shown and (finished or shown.from_start) else None
        if shown and value is not None:
            moment = started if shown.from_start else _modified(SOURCES[metric.source](folder))
            points.append(Point(shown.name or metric.key, value, moment, timing=shown.timing))
    return points


def _of_this_training(found: Dated | None, record: Record) -> Dated | None:
    return found if found is not None and found.digest == record.digest else None


def file_artifact(name: str, source: Path) -> Artifact:
    """A file as it is."""
    return Artifact(name, source, files.sha256(source)[:16])


def _artifacts(
    folder: RunFolder, record: Record, spec: RunSpec, config: Path, status: Status
) -> list[Artifact]:
    """What to show; what a training still changes only once it ended."""
    sources = [folder.spec_file]
    if status != "RUNNING":
        sources += [folder.record_file, folder.checkpoint, folder.metrics_file, folder.analysis_file]
        sources += [folder.sample_grid, folder.completion_grid]
    artifacts = [file_artifact(path.name, path) for path in sources if path.exists()]
    artifacts.insert(1, Artifact(config.name, config, files.sha256(config)[:16], "config"))
    history = existing(folder.history_file)
    if status != "RUNNING" and history:
        artifacts.append(Artifact(HISTORY_PLOT, history, files.sha256(history)[:16], "history"))
    if status == "FINISHED" and (grid := existing(folder.sample_grid)):
        artifacts.append(preview(grid))
    for step, path in folder.pictures().items():
        name = f"{folder.pictures_folder.name}/{path.name}"
        artifacts.append(Artifact(name, path, files.sha256(path)[:16], "picture", step))
    weights, metrics = existing(folder.model), folder.metrics()
    if status == "FINISHED" and weights and metrics and metrics.digest == record.digest:
        artifacts.append(Artifact(MODEL, weights, _model_digest(weights, spec), "model"))
    return artifacts


def _model_digest(weights: Path, spec: RunSpec) -> str:
    own = [files.sha256(path) for paths in own_code(spec).values() for path in paths]
    parts = (files.sha256(weights), files.sha256(MODEL_CODE), __version__, *own)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
