"""Where MLflow keeps its runs: which store, and how it is opened safely.

mlflow is imported inside functions only, so that `import pixelcnn.tracking` works without it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.folder import ResultsFolder
from pixelcnn.system.errors import UserError
from pixelcnn.tracking.layout import experiment_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI_VARIABLE = "MLFLOW_TRACKING_URI"

#: Defaults of MLflow that do not suit a projection; what the user has set stays.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # By default a call waits four minutes for a server that is down: the watcher tries again by itself.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # The server's queue for GenAI jobs: several idle processes beside the trainings.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}

EXPERIMENT_NOTE = "mlflow.note.content"


class TrackingError(UserError):
    """MLflow could not be reached or refused a call; the message says which store and why."""


@dataclass(frozen=True)
class Store:
    """A tracking URI and where new experiments put their files; None: where the server says."""

    uri: str
    artifacts: Path | None
    ours: bool = False

    @property
    def database(self) -> Path | None:
        """The file of an sqlite store, None for any other."""
        if not self.uri.startswith("sqlite:///"):
            return None
        return Path(self.uri.removeprefix("sqlite:///").split("?")[0])


def configure() -> None:
    """Set MLflow's environment defaults in this process and its children; call before importing mlflow."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def default_store(results_dir: Path) -> Store:
    """The sqlite store that all benchmarks of a results folder share."""
    folder = ResultsFolder(results_dir.resolve())
    return Store(f"sqlite:///{folder.database}", folder.artifacts, ours=True)


def find_store(benchmark_dir: Path, benchmark: Benchmark, uri: str | None = None) -> Store:
    """The store of a benchmark: `uri`, else $MLFLOW_TRACKING_URI, else the config's, else sqlite."""
    default = default_store(benchmark_dir.resolve().parent)
    chosen = uri or os.environ.get(URI_VARIABLE) or benchmark.tracking.uri
    if chosen is None or chosen == default.uri:
        return default
    if chosen.startswith(("http://", "https://", "databricks")):
        return Store(chosen, None)
    database = Store(chosen, None).database
    # MLflow would use ./mlruns, wherever the command happens to be started.
    return Store(chosen, database.resolve().parent / "artifacts" if database else default.artifacts)


@contextlib.contextmanager
def exclusive(lock: Path) -> Iterator[IO[str]]:
    """Hold a lock file; waits while another process holds it. It stays behind.

    Raises:
        UserError: if the file cannot be made or the system has no fcntl locks.
    """
    try:
        import fcntl
    except ImportError as error:
        raise UserError(f"{lock}: this system has no fcntl file locks, which tracking needs") from error
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        stream = lock.open("a+")  # not "w": the file may have content
    except OSError as error:
        raise UserError(f"{lock}: cannot make the lock file: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:
            raise UserError(f"{lock}: cannot lock it: {error.strerror}") from error
        yield stream


@contextlib.contextmanager
def mlflow_errors(store: Store, doing: str) -> Iterator[None]:
    """Turn whatever MLflow raises (a database without its driver: ImportError) into a TrackingError."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, ImportError) as error:
        reason = str(error).strip().split("\n")[0][:300]
        if "NewConnectionError" in str(error):  # a page of urllib3's innards otherwise
            reason = "the server cannot be reached"
        raise TrackingError(f"MLflow at {hide_password(store.uri)}, {doing}: {reason}") from error


def connect(store: Store) -> MlflowClient:
    """A client of the store, whose schema is created if need be (seconds), by one process at a time.

    Raises:
        UserError: if mlflow is not installed, or the store cannot be opened.
    """
    client_class = _import_mlflow()
    with contextlib.ExitStack() as stack:
        if store.database is not None:
            # Processes that create the schema at once leave a database that stays unusable.
            stack.enter_context(exclusive(store.database.with_name(store.database.name + ".lock")))
        stack.enter_context(mlflow_errors(store, "opening the store"))
        client = client_class(tracking_uri=store.uri)
        client.search_experiments(max_results=1)
    return client


def _import_mlflow() -> type[MlflowClient]:
    configure()
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise UserError(
            f"tracking needs mlflow, which is not installed here ({error}): "
            "pip install 'pixelcnn[workflow]', or train without (tracking: {enabled: false})"
        ) from error
    for name in ("mlflow", "alembic"):  # in case something imported mlflow before `configure`
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.getEffectiveLevel(), logging.WARNING))
    return MlflowClient


def open_experiment(client: MlflowClient, store: Store, benchmark: Benchmark) -> str:
    """The id of the benchmark's experiment, made or restored if need be, with title and note up to date.

    Raises:
        UserError: if MLflow fails, or the store was made before the results folder moved.
    """
    artifacts = store.artifacts / benchmark.benchmark if store.artifacts else None
    tags = experiment_tags(benchmark)
    if description := "\n\n".join(text.strip() for text in (benchmark.title, benchmark.note) if text):
        tags[EXPERIMENT_NOTE] = description
    with mlflow_errors(store, f"opening the experiment {benchmark.benchmark}"):
        found = client.get_experiment_by_name(benchmark.benchmark)
        if found is None:
            location = artifacts.as_uri() if artifacts else None
            return client.create_experiment(benchmark.benchmark, artifact_location=location, tags=tags)
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        for key, value in tags.items():
            if found.tags.get(key) != value:
                client.set_experiment_tag(found.experiment_id, key, value)
    if store.ours and artifacts and found.artifact_location != artifacts.as_uri():
        raise UserError(
            f"{store.database}: keeps artifacts at {found.artifact_location}, expected {artifacts.as_uri()}: "
            f"the results folder was moved. Remove {artifacts.parent.parent} and track again: "
            "everything in it is made from the run folders"
        )
    return found.experiment_id


def hide_password(uri: str) -> str:
    """A URI fit for a log: a password in it, or a token in the place of a name, is replaced by stars."""
    parts = urllib.parse.urlsplit(uri)
    if parts.password:
        return uri.replace(f":{parts.password}@", ":***@")
    return uri.replace(f"{parts.username}@", "***@") if parts.username else uri
