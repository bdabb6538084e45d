"""MLflow as a projection of run folders: the disk is the truth, MLflow shows it.

`project` brings MLflow in line with a benchmark's folder: twice in a row changes nothing the
second time. `watch` does so again and again while trainings go on. Nothing else writes to
MLflow, so trainings need neither mlflow nor its server.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.reading import load_planned
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.folder import BenchmarkFolder, RunFolder
from pixelcnn.system import locks
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import write_json
from pixelcnn.tracking.experiment import open_experiment
from pixelcnn.tracking.layout import TABLE_QUERY
from pixelcnn.tracking.origin import origin_of
from pixelcnn.tracking.report_view import REPORT, read_report
from pixelcnn.tracking.store import (
    Store,
    TrackingError,
    connect,
    find_store,
    hide_password,
    mlflow_errors,
)
from pixelcnn.tracking.summary import Summary
from pixelcnn.tracking.view import RUN_ID_TAG, RunView, read_view
from pixelcnn.tracking.watch import Watcher, signature, stamp, stop_signals, wait
from pixelcnn.tracking.write import write

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["Summary", "TrackingError", "project", "watch"]

ORIGIN_TAG = "pixelcnn.origin"


def project(benchmark_dir: Path, *, uri: str | None = None) -> Summary:
    """Bring MLflow in line with a benchmark's folder, which must hold config.json.

    The store is `uri`, else $MLFLOW_TRACKING_URI, else tracking.uri of the config, else an sqlite
    database in the results folder. A run folder that cannot be read is a problem of the summary
    and keeps no other run from being shown.

    Raises:
        UserError: if the config is missing or damaged, mlflow is not installed, or the store fails.
    """
    return Projector(Path(benchmark_dir), uri).project()


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
    with stop_signals() as stop:
        watcher = Watcher(Projector(Path(benchmark_dir), uri))
        while not wait(interval, stop, parent_pid):
            watcher.look()
        return watcher.finish()


# ---------------------------------------------------------------------------------------- passes


class Projector:
    """A benchmark's folder and the store that shows it; keeps the connection between passes."""

    def __init__(self, benchmark_dir: Path, uri: str | None) -> None:
        self.directory = benchmark_dir
        self.folder = BenchmarkFolder(benchmark_dir)
        self.config = self.folder.config
        self._uri = uri
        self._known: _Known | None = None
        self._known_by: object = None
        self._shown: dict[str, object] = {}
        self._noted: object = None

    def runs(self) -> tuple[Benchmark, dict[str, tuple[RunSpec, RunFolder]]]:
        """The benchmark and its run folders by name. They lie beside config.json, wherever that is."""
        benchmark = load_planned(self.config)
        specs = benchmark.runs()
        return benchmark, {spec.name: (spec, self.folder.run_of(spec)) for spec in specs}

    def project(self, *, only_changed: bool = False) -> Summary:
        """One pass over all runs, or over those whose files changed since a pass of this object."""
        benchmark, runs = self.runs()
        store = find_store(self.directory, benchmark, self._uri)
        with locks.acquire(self.folder.tracking_lock, wait=True):
            known = self._open(store, benchmark, origin_of(self.folder), anew=not only_changed)
            summary = Summary(known.experiment, known.experiment_id, store.uri)
            if known.experiment != benchmark.benchmark:
                summary.beside = benchmark.benchmark
            for name, (spec, folder) in runs.items():
                seen = (stamp(self.config), signature(folder))
                if not only_changed or self._shown.get(name) != seen:
                    self._project_run(known, benchmark, spec, folder, summary)
                    self._shown[name] = seen
            self._note_addresses(known)  # before the report, which links to the runs, is made
            seen = (stamp(self.config), stamp(self.folder.report.page))
            if not only_changed or self._shown.get(REPORT) != seen:
                self._project_report(known, benchmark, summary)
                self._shown[REPORT] = seen
        return summary

    def _note_addresses(self, known: _Known) -> None:
        """Where the runs are shown, for whoever makes links; see `BenchmarkFolder.tracked`."""
        uri = hide_password(known.store.uri)
        noted = {
            "uri": uri,
            "experiment_id": known.experiment_id,
            "query": TABLE_QUERY,
            "runs": known.ids,
        }
        if noted != self._noted:
            write_json(self.folder.tracked, noted)
            self._noted = noted

    def stamps(self) -> object:
        """Changes whenever a pass might have something to do; None while there is no config yet."""
        config = stamp(self.config)
        if config is None:
            return None
        _, runs = self.runs()
        return config, stamp(self.folder.report.page), tuple(signature(folder) for _, folder in runs.values())

    def _open(self, store: Store, benchmark: Benchmark, origin: str, *, anew: bool) -> _Known:
        config = stamp(self.config)
        now = (config, store, origin)
        if self._known is None or anew or self._known_by != now:
            client = self._known.client if self._known and self._known.store == store else connect(store)
            experiment = open_experiment(client, store, benchmark)
            self._known, self._known_by = _Known(client, store, *experiment, origin), now
        else:
            self._known.fresh = False
        return self._known

    def forget(self) -> None:
        """After a failure: connect anew and look at every run again."""
        self._known = None
        self._shown.clear()

    def _project_run(
        self, known: _Known, benchmark: Benchmark, spec: RunSpec, folder: RunFolder, summary: Summary
    ) -> None:
        try:
            view = read_view(folder, spec, benchmark, self.config)
            if view is None:
                summary.waiting.append(spec.name)
                return
            with mlflow_errors(known.store, spec.name):
                _bring_in_line(known, view, summary)
            summary.statuses[spec.name] = view.status
        except TrackingError:
            raise  # of the store, not of this run: the next runs would fail alike
        except UserError as error:
            summary.problems.append(known.store.hidden(str(error)))

    def _project_report(self, known: _Known, benchmark: Benchmark, summary: Summary) -> None:
        try:
            view = read_report(self.directory, benchmark, known.origin)
            if view is not None:
                with mlflow_errors(known.store, view.name):
                    _bring_in_line(known, view, summary)
        except TrackingError:
            raise
        except UserError as error:
            summary.problems.append(known.store.hidden(str(error)))


class _Known:
    """What the store holds of a folder's runs: one query for all, deleted ones included.

    What another folder of the same name, or a copy of this one, has there is none of ours.

    A watcher keeps it between passes. It is `fresh` in the pass that made it; later ones ask for
    single runs, and for all again when a run is new, since another process may have made it.
    """

    def __init__(
        self, client: MlflowClient, store: Store, experiment_id: str, experiment: str, origin: str
    ) -> None:
        self.client, self.store, self.origin = client, store, origin
        self.experiment_id, self.experiment = experiment_id, experiment
        with mlflow_errors(store, "listing the runs"):
            self._refresh()

    def _refresh(self) -> None:
        found = (run for run in self._search() if run.data.tags.get(ORIGIN_TAG) == self.origin)
        named = [run for run in found if RUN_ID_TAG in run.data.tags]
        # The one that was written comes last and wins, should a run have been made twice.
        self._runs = sorted(named, key=lambda run: len(run.data.tags))
        self._ids = {run.data.tags[RUN_ID_TAG]: run.info.run_id for run in self._runs}
        self.fresh = True

    @property
    def ids(self) -> dict[str, str]:
        """MLflow's ids of the runs, by ours."""
        return dict(self._ids)

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
        # All by which it is found again, should nothing more arrive, or this arrive twice.
        tags = {RUN_ID_TAG: view.run_id, ORIGIN_TAG: self.origin, **view.group}
        run = self.client.create_run(self.experiment_id, view.started, tags, view.title)
        self._ids[view.run_id] = run.info.run_id
        return run

    def superseded_by(self, view: RunView) -> list[Run]:
        """Active runs of the same dataset, variant and seed, or reports, that this one replaces."""
        if not self.fresh:
            return []  # a run that was known before: whatever it superseded is gone since
        same = [run for run in self._runs if view.group.items() <= run.data.tags.items()]
        active = [run for run in same if run.info.lifecycle_stage == "active"]
        return [run for run in active if run.info.run_id != self._ids.get(view.run_id)]


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
    changed = write(known.client, run, view)
    outcome = "created" if found is None else "updated" if restored or changed else "unchanged"
    getattr(summary, outcome).append(view.name)
