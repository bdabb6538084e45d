"""What MLflow should say about one run, read from its folder; knows nothing of MLflow itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pixelcnn import __version__
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results import records
from pixelcnn.results.records import Analysis, Metrics, Record, RunFolder, is_lost
from pixelcnn.system import files
from pixelcnn.system.errors import UserError
from pixelcnn.tracking.layout import run_title

#: Keys of a history line that become metrics by epoch, in the units of `records.HISTORY_KEYS`.
EPOCH_METRICS = ("valid_nll", "train_nll", "learning_rate", "gradient_norm", "images_per_second")
#: Single values that are another number whenever they are taken.
TIMES = ("evaluation_seconds", "analysis_seconds")
HISTORY_PLOT = "history.png"
PREVIEW = "preview.png"
MODEL = "model"
MODEL_CODE = Path(__file__).with_name("model.py")
RUN_ID_TAG = "pixelcnn.run_id"
KIND_TAG = "kind"  # "run", or "report" of the one that holds the comparison
GROUP = ("dataset", "variant", "seed")  # tags that only one active run of a folder has together
ERROR_TAG = "error"
MAX_TEXT = 4000  # characters; MLflow refuses or cuts longer values

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
STATUSES: dict[str, Status] = {
    "running": "RUNNING",
    "finished": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


@dataclass(frozen=True)
class Point:
    """A value of a metric; `milliseconds` since 1970."""

    key: str
    value: float
    milliseconds: int
    step: int = 0


@dataclass(frozen=True)
class Artifact:
    """What to show with the run: a file or the files of a folder as they are, or something made from a file.

    A "picture" is one of MLflow's images by step, a "preview" a small one for the description, the "history"
    a plot, the "model" a folder of MLflow's.
    """

    name: str
    source: Path
    digest: str
    kind: Literal["file", "folder", "picture", "preview", "history", "model"] = "file"
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
    epochs: dict[int, list[Point]]
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
        record, lost = _read_record(folder)
        if record is None:
            return None
        spec = folder.spec() or expected
        if spec.digest != record.digest:
            raise UserError(
                f"{folder.path}: {records.SPEC} has the digest {spec.digest}, {records.RECORD} "
                f"{record.digest}: expected the same; a training that starts right now mends it"
            )
        title = run_title(benchmark, spec.dataset_name, spec.variant_name, spec.seed)
        return _view(folder, record, spec, lost, config, title)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{folder.path}: cannot make sense of its records: {error}") from error
    except OSError as error:
        raise UserError(f"{error.filename or folder.path}: cannot read it: {error.strerror}") from error


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
    started, history = _milliseconds(record.started), folder.history()
    return RunView(
        name=spec.name,
        title=title,
        run_id=record.run_id,
        status=status,
        started=started,
        ended=_ended(folder, record) if status != "RUNNING" else None,
        params=_params(spec),
        tags=_tags(spec, record, error if status in ("FAILED", "KILLED") else None),
        epochs={line["epoch"]: _epoch_points(line, started) for line in history},
        finals=_finals(folder, record, status),
        artifacts=_artifacts(folder, record, config, status),
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
    if folder.file(records.SAMPLE_GRID) is None:
        return None
    load = (
        "The model: `mlflow.pyfunc.load_model('runs:/{run_id}/model')`" if folder.file(records.MODEL) else ""
    )
    return f"{preview_note('samples')}\n\n{load}".rstrip()


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns // 1_000_000


def _ended(folder: RunFolder, record: Record) -> int:
    """The recorded end; of a lost process the last sign of life."""
    return _milliseconds(record.ended) if record.ended else _modified(folder.path / records.RECORD)


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:MAX_TEXT]


def _flat(value: Mapping[str, Any], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        flat |= _flat(item, f"{name}.") if isinstance(item, Mapping) else {name: _text(item)}
    return flat


def _params(spec: RunSpec) -> dict[str, str]:
    """The spec, flattened; the variant's own recipe is already part of `training`."""
    variant = {key: item for key, item in asdict(spec.variant).items() if key != "training"}
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


def _epoch_points(line: Mapping[str, Any], started: int) -> list[Point]:
    """The metrics of a history line, timed by its training seconds so that a second look agrees."""
    moment = started + round(1000 * (line.get("seconds") or 0))
    present = ((key, line.get(key)) for key in EPOCH_METRICS)
    return [Point(key, value, moment, line["epoch"]) for key, value in present if value is not None]


def _finals(folder: RunFolder, record: Record, status: Status) -> list[Point]:
    """Single values: what the training cost once it ended, what the test gave once evaluated."""
    moment = _modified(folder.path / records.RECORD)
    points = [Point("parameters", record.parameters, _milliseconds(record.started))]
    # A failed or killed training may go on, and MLflow would keep what it cost until now as a second point.
    if status == "FINISHED":
        costs = _cost_values(record)
        points += [Point(key, value, moment) for key, value in costs.items() if value is not None]
    metrics = folder.metrics() if status == "FINISHED" else None
    if metrics and metrics.digest == record.digest:
        values, moment = _test_values(metrics), _modified(folder.path / records.METRICS)
        points += [Point(key, value, moment) for key, value in values.items() if value is not None]
    analysis = folder.analysis() if status == "FINISHED" else None
    if analysis and analysis.digest == record.digest:
        values, moment = _analysis_values(analysis), _modified(folder.path / records.ANALYSIS)
        points += [Point(key, value, moment) for key, value in values.items() if value is not None]
    return points


def _cost_values(record: Record) -> dict[str, float | None]:
    return {
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "best_valid_nll": record.best_valid_nll,
        "images_seen": record.images_seen,
        "training_seconds": record.training_seconds,
        "wall_seconds": record.wall_seconds,
        # `images_per_second` is the series by epoch.
        "mean_images_per_second": record.images_per_second,
        "peak_memory_bytes": record.peak_memory_bytes,
    }


def _test_values(metrics: Metrics) -> dict[str, float | None]:
    """Named as in the report's metrics.csv; the `comparable_` ones as in its comparison.csv: they rank."""
    units = ("nll", "bits_per_dim", "perplexity")
    marginal = {unit: getattr(metrics, f"marginal_{unit}") for unit in units}
    given = {unit: getattr(metrics, unit) for unit in units}
    comparable = given if metrics.marginal_nll is None else marginal
    return {
        **{f"comparable_{unit}": value for unit, value in comparable.items()},
        **given,
        **{f"marginal_{unit}": value for unit, value in marginal.items()},
        "accuracy": metrics.accuracy,
        "images": metrics.images,
        "evaluation_seconds": metrics.seconds,
    }


def _analysis_values(analysis: Analysis) -> dict[str, float | None]:
    """Of the chosen epoch; `train_nll` and `valid_nll` alone are the series by epoch."""
    return {
        "selected_train_nll": analysis.train_nll,
        "selected_valid_nll": analysis.valid_nll,
        "earlier_pixels": analysis.earlier_pixels,
        "reach_pixels": analysis.reach_pixels,
        "effective_pixels": analysis.effective_pixels,
        "effective_radius": analysis.effective_radius,
        "sample_distance": analysis.sample_distance,
        "test_distance": analysis.test_distance,
        "agreement": analysis.agreement,
        "classifier_accuracy": analysis.classifier_accuracy,
        "analysis_seconds": analysis.seconds,
    }


def file_artifact(name: str, source: Path) -> Artifact:
    """A file as it is."""
    return Artifact(name, source, files.sha256(source)[:16])


def _artifacts(folder: RunFolder, record: Record, config: Path, status: Status) -> list[Artifact]:
    """What to show; what a training still changes only once it ended."""
    sources = {records.SPEC: folder.file(records.SPEC), config.name: config}
    if status != "RUNNING":
        ended = (
            records.RECORD,
            records.CHECKPOINT,
            records.METRICS,
            records.ANALYSIS,
            records.SAMPLE_GRID,
            records.COMPLETION_GRID,
        )
        sources |= {name: folder.file(name) for name in ended}
    artifacts = [file_artifact(name, path) for name, path in sources.items() if path]
    history = folder.file(records.HISTORY)
    if status != "RUNNING" and history:
        artifacts.append(Artifact(HISTORY_PLOT, history, files.sha256(history)[:16], "history"))
    if status == "FINISHED" and (grid := folder.file(records.SAMPLE_GRID)):
        artifacts.append(preview(grid))
    for epoch, path in folder.pictures().items():
        name = f"{records.PICTURES}/{path.name}"
        artifacts.append(Artifact(name, path, files.sha256(path)[:16], "picture", epoch))
    weights, metrics = folder.file(records.MODEL), folder.metrics()
    if status == "FINISHED" and weights and metrics and metrics.digest == record.digest:
        artifacts.append(Artifact(MODEL, weights, _model_digest(weights), "model"))
    return artifacts


def _model_digest(weights: Path) -> str:
    parts = (files.sha256(weights), files.sha256(MODEL_CODE), __version__)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
