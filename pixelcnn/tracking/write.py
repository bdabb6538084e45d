"""Bringing one run of MLflow in line with its view: values, status and files, and only what it lacks."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelcnn.results.folder import RunFolder
from pixelcnn.system.errors import UserError
from pixelcnn.tracking.layout import PICTURES_FOLDER, PICTURES_TAG, SMALL_PICTURE, picture_name
from pixelcnn.tracking.model_folder import save_model
from pixelcnn.tracking.store import hide_password
from pixelcnn.tracking.view import ERROR_TAG, HISTORY_PLOT, Artifact, Point, RunView

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NOTE_TAG = "mlflow.note.content"
PREVIEW_SIZE = (560, 560)  # pixels at most
#: Metrics: MLflow cuts what is more than 1000 with the parameters and tags beside them, 100 of each at most.
LONGEST_REQUEST = 800
ARTIFACTS_TAG = "pixelcnn.artifacts"  # what was uploaded: name -> digest, as JSON


def write(client: MlflowClient, run: Run, view: RunView) -> bool:
    """Write what MLflow lacks of a run; whether there was anything."""
    changes = [_write_values(client, run, view), _write_status(client, run, view)]
    changes += [_write_name(client, run, view), _write_artifacts(client, run, view)]
    return any(changes)


def _write_values(client: MlflowClient, run: Run, view: RunView) -> bool:
    from mlflow.entities import Metric, Param, RunTag

    held = run.data
    logged = _logged_steps(client, run, view)
    lines = [line for step, line in view.series.items() if step not in logged]
    lines.append([point for point in view.finals if _is_news(point, held.metrics)])
    params = [Param(key, value) for key, value in view.params.items() if key not in held.params]
    tags = [RunTag(key, value) for key, value in view.tags.items() if held.tags.get(key) != value]
    if view.note:
        note, old = view.note.replace("{run_id}", run.info.run_id), held.tags.get(NOTE_TAG)
        # What a user wrote there stays; ours grows once there is a model.
        if old is None or (old and old != note and note.startswith(old)):
            tags.append(RunTag(NOTE_TAG, note))
    news = any(lines) or bool(params or tags)
    for points in list(_requests(lines)) or [[]] if news else []:
        metrics = [Metric(p.key, float(p.value), p.milliseconds, p.step) for p in points]
        client.log_batch(run.info.run_id, metrics, params, tags, synchronous=True)
        params, tags = [], []
    recovered = ERROR_TAG in held.tags and ERROR_TAG not in view.tags
    if recovered:
        client.delete_tag(run.info.run_id, ERROR_TAG)
    return news or recovered


def _requests(lines: Sequence[Sequence[Point]]) -> Iterator[list[Point]]:
    """Points in as few requests as MLflow takes, each of whole steps: of a step all arrives or nothing."""
    request: list[Point] = []
    for line in lines:
        if request and len(request) + len(line) > LONGEST_REQUEST:
            yield request
            request = []
        request.extend(line)
    if request:
        yield request


def _is_news(point: Point, held: Mapping[str, float]) -> bool:
    """Whether MLflow lacks a value. It keeps the old one beside the new: a time taken twice is no news."""
    if point.key in held and point.timing:
        return False
    return held.get(point.key) != point.value


def _logged_steps(client: MlflowClient, run: Run, view: RunView) -> set[int]:
    """The steps that MLflow has. It would keep one that is logged twice as two points."""
    keys = {point.key for line in view.series.values() for point in line if point.key in run.data.metrics}
    if not keys:
        return set()
    # The points of a step are written together: any one of its metrics tells.
    key = "valid_nll" if "valid_nll" in keys else min(keys)
    return {metric.step for metric in client.get_metric_history(run.info.run_id, key)}


def _write_status(client: MlflowClient, run: Run, view: RunView) -> bool:
    if run.info.status == view.status and (view.ended is None or run.info.end_time == view.ended):
        return False
    if view.ended is None:
        client.update_run(run.info.run_id, status=view.status)
    else:
        client.set_terminated(run.info.run_id, view.status, view.ended)
    return True


def _write_name(client: MlflowClient, run: Run, view: RunView) -> bool:
    """Another config, with more seeds or datasets, may name runs otherwise."""
    if run.info.run_name == view.title:
        return False
    client.update_run(run.info.run_id, name=view.title)
    return True


def _write_artifacts(client: MlflowClient, run: Run, view: RunView) -> bool:
    uploaded: dict[str, str] = json.loads(run.data.tags.get(ARTIFACTS_TAG, "{}"))
    changed = [a for a in view.artifacts if uploaded.get(a.name) != a.digest]
    if any(a.kind == "picture" for a in changed) and PICTURES_TAG not in run.data.tags:
        client.set_tag(run.info.run_id, PICTURES_TAG, True)
    try:
        for artifact in changed:
            _upload(client, run.info.run_id, artifact, view)
            uploaded[artifact.name] = artifact.digest
    finally:
        if changed:
            client.set_tag(run.info.run_id, ARTIFACTS_TAG, json.dumps(uploaded, sort_keys=True))
    return bool(changed)


def _upload(client: MlflowClient, run_id: str, artifact: Artifact, view: RunView) -> None:
    try:
        if artifact.kind == "file":
            client.log_artifact(run_id, str(artifact.source))
        elif artifact.kind == "folder":
            client.log_artifacts(run_id, str(artifact.source), artifact.name)
        elif artifact.kind == "picture":
            _log_picture(client, run_id, artifact)
        else:
            with tempfile.TemporaryDirectory(prefix="pixelcnn-") as temporary:
                path = Path(temporary) / artifact.name
                if artifact.kind == "model":
                    _save_model(RunFolder(artifact.source.parent), path)
                    client.log_artifacts(run_id, str(path), artifact.name)
                    return
                if artifact.kind == "config":
                    _save_config(artifact.source, path)
                elif artifact.kind == "preview":
                    _save_preview(artifact.source, path)
                else:
                    _draw_history(view.history, view.title, path)
                client.log_artifact(run_id, str(path))
    except OSError as error:
        raise UserError(f"{view.name}: cannot copy {artifact.name} to MLflow's artifacts: {error}") from error


def _log_picture(client: MlflowClient, run_id: str, artifact: Artifact) -> None:
    """As MLflow's `log_image`, but under names that are the same when a picture is sent again."""
    from PIL import Image, ImageOps

    moment = artifact.source.stat().st_mtime_ns // 1_000_000
    name = picture_name(artifact.step or 0, moment, artifact.digest)
    with tempfile.TemporaryDirectory(prefix="pixelcnn-") as temporary:
        shutil.copyfile(artifact.source, Path(temporary) / f"{name}.png")
        with Image.open(artifact.source) as picture:
            ImageOps.contain(picture, SMALL_PICTURE).save(Path(temporary) / f"{name}+compressed.webp")
        client.log_artifacts(run_id, temporary, PICTURES_FOLDER)


def _save_model(run: RunFolder, path: Path) -> None:
    spec, record = run.spec(), run.record()
    assert spec is not None and record is not None  # the view was made from them
    save_model(run.model, spec, record, path)


def _save_config(source: Path, path: Path) -> None:
    """The tracking URI in it may have a password, and many may read what a server has."""
    config = json.loads(source.read_text(encoding="utf-8"))
    if uri := config["tracking"]["uri"]:
        config["tracking"]["uri"] = hide_password(uri)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _save_preview(source: Path, path: Path) -> None:
    from PIL import Image

    with Image.open(source) as picture:
        picture.thumbnail(PREVIEW_SIZE)
        picture.save(path)


def _draw_history(history: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    try:
        from pixelcnn.report.figures.learning import learning_curve

        learning_curve(history, title).savefig(path, dpi=120)
    except (ImportError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{title}: cannot draw {HISTORY_PLOT}: {error}") from error
