"""MLflow as a projection of run folders: the disk is the truth, MLflow shows it.

`project` brings MLflow in line with a benchmark's folder: twice in a row changes nothing the
second time. `watch` does so again and again while trainings go on. Nothing else writes to
MLflow, so trainings need neither mlflow nor its server.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pixelcnn import records
from pixelcnn.config import Benchmark, RunSpec, load_benchmark
from pixelcnn.errors import UserError
from pixelcnn.processes import process_alive
from pixelcnn.records import RunFolder, is_lost
from pixelcnn.tracking_store import (
    CONFIG,
    Store,
    TrackingError,
    connect,
    exclusive,
    find_store,
    hide_password,
    mlflow_errors,
    open_experiment,
    runs_address,
    ui_command,
)
from pixelcnn.tracking_view import (
    ERROR_TAG,
    HISTORY_PLOT,
    RUN_ID_TAG,
    TIMES,
    Artifact,
    Point,
    RunView,
    read_view,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["Summary", "TrackingError", "project", "runs_address", "ui_command", "watch"]

ARTIFACTS_TAG = "pixelcnn.artifacts"  # what was uploaded: name -> digest, as JSON
ORIGIN_TAG = "pixelcnn.origin"
#: In the benchmark's folder. Locked, since two projections at once would make runs twice; holds an id
#: by which the runs of this folder are told from those of another that shares the server and the name.
LOCK = ".tracking.lock"
GROUP = ("dataset", "variant", "seed")  # tags that only one active run of a folder has together
WATCHED = (records.SPEC, records.RECORD, records.HISTORY, *records.RESULTS)
LOOK_SECONDS = 0.2  # how soon a watcher notices a signal or the end of its parent
RETRY_SECONDS = 10.0  # how long a watcher leaves a failed server alone


@dataclass
class Summary:
    """What a projection did. Runs by name; `waiting` ones have no record on disk yet."""

    experiment: str
    experiment_id: str
    uri: str
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether MLflow is now in line with the whole folder."""
        return not self.problems

    def __str__(self) -> str:
        counts = ("created", "updated", "unchanged", "superseded", "waiting")
        told = ", ".join(f"{len(getattr(self, key))} {key}" for key in counts if getattr(self, key))
        problems = "".join(f"\n  problem: {problem}" for problem in self.problems)
        return f"{self.experiment} in {hide_password(self.uri)}: {told or 'no runs'}{problems}"


def project(benchmark_dir: Path, *, uri: str | None = None) -> Summary:
    """Bring MLflow in line with a benchmark's folder, which must hold config.json.

    The store is `uri`, else $MLFLOW_TRACKING_URI, else tracking.uri of the config, else an sqlite
    database in the results folder. A run folder that cannot be read is a problem of the summary
    and keeps no other run from being shown.

    Raises:
        UserError: if the config is missing or damaged, mlflow is not installed, or the store fails.
    """
    return _Projector(Path(benchmark_dir), uri).project()


def watch(
    benchmark_dir: Path, *, interval: float = 2.0, parent_pid: int | None = None, uri: str | None = None
) -> bool:
    """Project whenever something changed, until SIGTERM, SIGINT or the end of process `parent_pid`.

    Looks at the files every `interval` seconds and calls MLflow only if they changed. Waits for
    config.json if it is not there yet. A store that fails is told of once and tried again.
    Signals are handled only when called from the main thread.

    Returns:
        Whether a last pass over everything went well.
    """
    with _stop_signals() as stop:
        watcher = _Watcher(_Projector(Path(benchmark_dir), uri))
        while not _wait(interval, stop, parent_pid):
            watcher.look()
        return watcher.finish()


# ---------------------------------------------------------------------------------------- passes


class _Projector:
    """A benchmark's folder and the store that shows it; keeps the connection between passes."""

    def __init__(self, benchmark_dir: Path, uri: str | None) -> None:
        self.directory = benchmark_dir
        self.config = benchmark_dir / CONFIG
        self._uri = uri
        self._known: _Known | None = None
        self._known_config: object = None
        self._shown: dict[str, object] = {}

    def runs(self) -> tuple[Benchmark, dict[str, tuple[RunSpec, RunFolder]]]:
        """The benchmark and its run folders by name. They lie beside config.json, wherever that is."""
        benchmark = load_benchmark(self.config)
        specs = benchmark.runs()
        return benchmark, {spec.name: (spec, RunFolder(self._folder(spec))) for spec in specs}

    def _folder(self, spec: RunSpec) -> Path:
        return self.directory / spec.dataset_name / spec.variant_name / f"seed{spec.seed}"

    def project(self, *, only_changed: bool = False) -> Summary:
        """One pass over all runs, or over those whose files changed since a pass of this object."""
        benchmark, runs = self.runs()
        store = find_store(self.directory, benchmark, self._uri)
        with exclusive(self.directory / LOCK) as lock:
            known = self._open(store, benchmark, _origin(lock), anew=not only_changed)
            summary = Summary(benchmark.benchmark, known.experiment_id, store.uri)
            for name, (spec, folder) in runs.items():
                signature = (_stamp(self.config), _signature(folder))
                if not only_changed or self._shown.get(name) != signature:
                    self._project_run(known, spec, folder, summary)
                    self._shown[name] = signature
        return summary

    def _open(self, store: Store, benchmark: Benchmark, origin: str, *, anew: bool) -> _Known:
        config = _stamp(self.config)
        if self._known is None or anew or (self._known_config, self._known.store) != (config, store):
            client = self._known.client if self._known and self._known.store == store else connect(store)
            experiment_id = open_experiment(client, store, benchmark)
            self._known, self._known_config = _Known(client, store, experiment_id, origin), config
        else:
            self._known.fresh = False
        return self._known

    def forget(self) -> None:
        """After a failure: connect anew and look at every run again."""
        self._known = None
        self._shown.clear()

    def _project_run(self, known: _Known, spec: RunSpec, folder: RunFolder, summary: Summary) -> None:
        try:
            view = read_view(folder, spec, self.config)
            if view is None:
                summary.waiting.append(spec.name)
                return
            with mlflow_errors(known.store, spec.name):
                _bring_in_line(known, view, summary)
            summary.statuses[spec.name] = view.status
        except TrackingError:
            raise  # of the store, not of this run: the next runs would fail alike
        except UserError as error:
            summary.problems.append(str(error))


class _Known:
    """What the store holds of an experiment: one query for all runs, deleted ones included.

    A watcher keeps it between passes. It is `fresh` in the pass that made it; later ones ask for
    single runs, and for all again when a run is new, since another process may have made it.
    """

    def __init__(self, client: MlflowClient, store: Store, experiment_id: str, origin: str) -> None:
        self.client, self.store, self.experiment_id, self.origin = client, store, experiment_id, origin
        with mlflow_errors(store, "listing the runs"):
            self._refresh()

    def _refresh(self) -> None:
        self._runs = [run for run in self._search() if RUN_ID_TAG in run.data.tags]
        # The newest comes last and wins, should a run have been made twice.
        self._ids = {run.data.tags[RUN_ID_TAG]: run.info.run_id for run in self._runs}
        self.fresh = True

    def _search(self) -> list[Run]:
        from mlflow.entities import ViewType

        runs: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                run_view_type=ViewType.ALL,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            runs += page
            token = page.token
            if not token:
                return runs

    def find(self, view: RunView) -> Run | None:
        """The run of a view as the store has it now."""
        if not self.fresh:
            if view.run_id in self._ids:
                return self.client.get_run(self._ids[view.run_id])
            self._refresh()
        kept = self._ids.get(view.run_id)
        return next((run for run in self._runs if run.info.run_id == kept), None)

    def create(self, view: RunView) -> Run:
        """An empty run for a view."""
        tags = {RUN_ID_TAG: view.run_id, ORIGIN_TAG: self.origin}
        run = self.client.create_run(self.experiment_id, view.started, tags, view.title)
        self._ids[view.run_id] = run.info.run_id
        return run

    def superseded_by(self, view: RunView) -> list[Run]:
        """Active runs of the same dataset, variant and seed that an earlier training left."""
        if not self.fresh:
            return []  # a run that was known before: whatever it superseded is gone since
        group = {key: view.tags[key] for key in GROUP} | {ORIGIN_TAG: self.origin}
        same = [run for run in self._runs if group.items() <= run.data.tags.items()]
        active = [run for run in same if run.info.lifecycle_stage == "active"]
        return [run for run in active if run.info.run_id != self._ids.get(view.run_id)]


def _origin(lock: IO[str]) -> str:
    """The id of a benchmark's folder, from its lock file, where the first projection writes it."""
    lock.seek(0)
    origin = lock.read().strip()
    if not origin:
        origin = uuid.uuid4().hex
        lock.write(origin + "\n")
        lock.flush()
    return origin


# ------------------------------------------------------------------------------- one run


def _bring_in_line(known: _Known, view: RunView, summary: Summary) -> None:
    """Write what MLflow lacks of a run, and only that."""
    found = known.find(view)
    for old in known.superseded_by(view):
        known.client.delete_run(old.info.run_id)
        summary.superseded.append(view.name)
    run = found or known.create(view)
    restored = run.info.lifecycle_stage == "deleted"
    if restored:
        known.client.restore_run(run.info.run_id)
    changes = [_write_values(known.client, run, view), _write_status(known.client, run, view)]
    changes.append(_write_artifacts(known.client, run, view))
    outcome = "created" if found is None else "updated" if restored or any(changes) else "unchanged"
    getattr(summary, outcome).append(view.name)


def _write_values(client: MlflowClient, run: Run, view: RunView) -> bool:
    from mlflow.entities import Metric, Param, RunTag

    held = run.data
    points = [point for point in view.finals if _is_news(point, held.metrics)]
    logged = _logged_epochs(client, run, view)
    points += [p for epoch, line in view.epochs.items() if epoch not in logged for p in line]
    metrics = [Metric(p.key, float(p.value), p.milliseconds, p.step) for p in points]
    params = [Param(key, value) for key, value in view.params.items() if key not in held.params]
    tags = [RunTag(key, value) for key, value in view.tags.items() if held.tags.get(key) != value]
    if metrics or params or tags:
        # log_batch cuts what is too much for one request into several.
        client.log_batch(run.info.run_id, metrics, params, tags, synchronous=True)
    recovered = ERROR_TAG in held.tags and ERROR_TAG not in view.tags
    if recovered:
        client.delete_tag(run.info.run_id, ERROR_TAG)
    return bool(metrics or params or tags or recovered)


def _is_news(point: Point, held: Mapping[str, float]) -> bool:
    """Whether MLflow lacks a value. It keeps the old one beside the new: a time taken twice is no news."""
    if point.key in held and point.key in TIMES:
        return False
    return held.get(point.key) != point.value


def _logged_epochs(client: MlflowClient, run: Run, view: RunView) -> set[int]:
    """The epochs that MLflow has. It would keep a step that is logged twice as two points."""
    keys = {point.key for line in view.epochs.values() for point in line if point.key in run.data.metrics}
    if not keys:
        return set()
    # The points of an epoch are written together: any one of its metrics tells.
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


def _write_artifacts(client: MlflowClient, run: Run, view: RunView) -> bool:
    uploaded: dict[str, str] = json.loads(run.data.tags.get(ARTIFACTS_TAG, "{}"))
    changed = [a for a in view.artifacts if uploaded.get(a.name) != a.digest]
    for artifact in changed:
        _upload(client, run.info.run_id, artifact, view)
        uploaded[artifact.name] = artifact.digest
    if changed:
        client.set_tag(run.info.run_id, ARTIFACTS_TAG, json.dumps(uploaded, sort_keys=True))
    return bool(changed)


def _upload(client: MlflowClient, run_id: str, artifact: Artifact, view: RunView) -> None:
    try:
        if artifact.name != HISTORY_PLOT:
            client.log_artifact(run_id, str(artifact.source))
            return
        with tempfile.TemporaryDirectory(prefix="pixelcnn-") as folder:
            path = Path(folder) / HISTORY_PLOT
            _draw_history(view.history, view.title, path)
            client.log_artifact(run_id, str(path))
    except OSError as error:
        raise UserError(f"{view.name}: cannot copy {artifact.name} to MLflow's artifacts: {error}") from error


def _draw_history(history: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    try:
        from pixelcnn.report.figures import learning_curve

        learning_curve(history, title).savefig(path, dpi=120)
    except (ImportError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{title}: cannot draw {HISTORY_PLOT}: {error}") from error


# ---------------------------------------------------------------------------------- watching


class _Watcher:
    """Passes over what changed; says each thing once."""

    def __init__(self, projector: _Projector) -> None:
        self._projector = projector
        self._seen: object = None
        self._not_before = 0.0
        self._failure: str | None = None
        self._told: set[str] = set()
        self._statuses: dict[str, str] = {}

    def look(self) -> None:
        """A pass over what changed since the last one that went well, if anything did."""
        if time.monotonic() < self._not_before:
            return
        try:
            seen = self._stamps()
            if seen is None or seen == self._seen:
                return
            self._tell(self._projector.project(only_changed=True))
            self._seen = seen
        except Exception as error:  # a watcher must outlive a bad pass, whatever its cause
            self._projector.forget()
            self._not_before = time.monotonic() + RETRY_SECONDS
            reason = _reason(error)
            if self._failure is None:
                _say(f"{reason} (trying again every {RETRY_SECONDS:g} s)")
            self._failure = reason

    def finish(self) -> bool:
        """The last pass, over everything."""
        try:
            summary = self._projector.project()
        except Exception as error:  # at the end of a workflow a line and an answer serve, no trace
            _say(f"the last pass failed: {_reason(error)}")
            return False
        self._tell(summary)
        _say(str(summary).split("\n")[0])
        return summary.ok

    def _stamps(self) -> object:
        """Changes whenever a pass might have something to do; None while there is no config yet."""
        config = _stamp(self._projector.config)
        if config is None:
            return None
        _, runs = self._projector.runs()
        return config, tuple(_signature(folder) for _, folder in runs.values())

    def _tell(self, summary: Summary) -> None:
        if self._failure is not None:
            _say(f"MLflow answers again: {hide_password(summary.uri)}")
            self._failure = None
        for name, status in summary.statuses.items():
            if self._statuses.get(name) != status:
                _say(f"{name}: {status}")
        self._statuses |= summary.statuses
        for problem in summary.problems:
            if problem not in self._told:
                _say(f"problem: {problem}")
        self._told |= set(summary.problems)


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return text.split("\n")[0]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _signature(folder: RunFolder) -> object:
    """Changes whenever a file of a run does, or its process disappears."""
    stamps = tuple(_stamp(folder.path / name) for name in WATCHED)
    try:
        record = folder.record()
        lost = record is not None and is_lost(record)
    except (UserError, TypeError):
        lost = False  # a damaged record: the pass that reads it tells
    return stamps, lost


class _Stop:
    """Set from a signal handler, where an Event could wait for itself."""

    requested = False


def _wait(seconds: float, stop: _Stop, parent_pid: int | None) -> bool:
    """Sleep in short naps; whether it is time to end."""
    until = time.monotonic() + seconds
    while True:
        if stop.requested or (parent_pid is not None and not process_alive(parent_pid)):
            return True
        left = until - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, LOOK_SECONDS))


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    """What SIGTERM and SIGINT set; the same signal once more ends the process at once."""
    stop = _Stop()

    def handle(number: int, frame: object) -> None:
        stop.requested = True
        signal.signal(number, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    # One write a line: several watchers may share a log.
    sys.stderr.write(f"track[{os.getpid()}]: {line}\n")
    sys.stderr.flush()
