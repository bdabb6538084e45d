"""What MLflow holds of a made-up benchmark."""

from __future__ import annotations

import dataclasses
import os
import platform
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.folder import RunFolder
from pixelcnn.tracking.store import default_store

HERE = {"host": platform.node(), "pid": os.getpid()}


def dump(made: Benchmark, uri: str | None = None) -> dict[str, Any]:
    """Everything MLflow holds of a benchmark, artifact files with their mtimes, by MLflow run id."""
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(tracking_uri=uri or default_store(Path(made.results)).uri)
    experiment = client.get_experiment_by_name(made.benchmark)
    found = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    held: dict[str, Any] = {"experiment": dict(experiment.tags)}
    for run in found:
        key_points = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        folder = Path(unquote(urlsplit(run.info.artifact_uri).path))
        held[run.info.run_id] = {
            "info": dict(run.info),
            "params": run.data.params,
            "tags": run.data.tags,
            "metrics": {k: [(m.step, m.value, m.timestamp) for m in v] for k, v in key_points.items()},
            "files": {p.name: p.stat().st_mtime_ns for p in folder.glob("*")},
        }
    return held


def runs(made: Benchmark, **options: Any) -> list[dict[str, Any]]:
    """The active runs of trainings, seed by seed."""
    trainings = [run for run in held(made, **options) if run["tags"]["kind"] == "run"]
    return sorted(trainings, key=lambda run: run["tags"]["seed"])


def held(made: Benchmark, **options: Any) -> list[dict[str, Any]]:
    """The active runs of `dump`."""
    found = [run for key, run in dump(made, **options).items() if key != "experiment"]
    return [run for run in found if run["info"]["lifecycle_stage"] == "active"]


def values(run: dict[str, Any], key: str) -> list[float]:
    return [value for _, value, _ in run["metrics"][key]]


def rewrite_record(folder: Path, **changes: Any) -> None:
    record = RunFolder(folder).record()
    assert record is not None
    dataclasses.replace(record, **changes).write(RunFolder(folder).record_file)
