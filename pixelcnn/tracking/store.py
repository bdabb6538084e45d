"""Where MLflow keeps its runs: which store, and how it is opened safely.

mlflow is imported inside functions only, so that `import pixelcnn.tracking` works without it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.folder import ResultsFolder
from pixelcnn.system import locks
from pixelcnn.system.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI_VARIABLE = "MLFLOW_TRACKING_URI"
CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
SQLITE = "sqlite:///"
EXPECTED_URI = "http://HOST:PORT, sqlite:////FOLDER/FILE.db or another that MLflow knows"

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

#: A URI's name, with the colon that ends it, and password.
USER_PART = re.compile(r"://(?:([^/?#:@]*:)?[^/?#]*)@")

#: Loggers that warn of what an error tells, too; that the versions here are not those that a model asks for.
UNHEARD = ("mlflow.utils.databricks_utils", "mlflow.utils.requirements_utils")


class TrackingError(UserError):
    """MLflow could not be reached or refused a call; the message says which store and why."""


@dataclass(frozen=True)
class Store:
    """A tracking URI and where new experiments put their files; None: where the server says."""

    uri: str
    artifacts: Path | None

    @property
    def database(self) -> Path | None:
        """The file of an sqlite store, None for any other."""
        if not self.uri.startswith(SQLITE):
            return None
        name = self.uri.removeprefix(SQLITE).split("?")[0]
        return Path(urllib.parse.unquote(name.removeprefix("file:")) if name.startswith("file:") else name)

    @property
    def server(self) -> str | None:
        """The address of a server without name and password, None for any other store."""
        if not self.uri.lower().startswith(("http://", "https://")):
            return None
        parts = urllib.parse.urlsplit(self.uri)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")

    def user(self) -> str | None:
        """As whom a server is asked; None without a name and a password, as where a token stands for both."""
        if self.server is None:
            return None
        parts = urllib.parse.urlsplit(self.uri)
        if parts.username and parts.password:
            return urllib.parse.unquote(parts.username)
        from mlflow.utils.credentials import read_mlflow_creds

        name: str | None = read_mlflow_creds().username
        return name

    def hidden(self, text: str) -> str:
        """A text fit for a log: where others quote the URI, its password is replaced by stars."""
        found = USER_PART.search(self.uri)
        return text.replace(found[0], hide_password(found[0])) if found else text


def configure() -> None:
    """Set MLflow's environment defaults in this process and its children; call before importing mlflow."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def default_store(results_dir: Path) -> Store:
    """The sqlite store that all benchmarks of a results folder share."""
    folder = ResultsFolder(results_dir.resolve())
    name = str(folder.database)
    if "?" in name:  # which would begin the options of the URI
        # No slash is left either, for which MLflow would make folders.
        name = f"file:{urllib.parse.quote(name, safe='')}?uri=true"
    return Store(SQLITE + name, folder.artifacts)


def find_store(benchmark_dir: Path, benchmark: Benchmark, uri: str | None = None) -> Store:
    """The store of a benchmark: `uri`, else $MLFLOW_TRACKING_URI, else the config's, else sqlite."""
    default = default_store(benchmark_dir.resolve().parent)
    chosen = chosen_uri(benchmark, uri)
    if chosen is None:
        return default
    known = Store(chosen, None)
    if known.server is not None or chosen.startswith("databricks"):
        return known
    database = known.database
    # MLflow would use ./mlruns, wherever the command happens to be started.
    return Store(chosen, database.resolve().parent / "artifacts" if database else default.artifacts)


def chosen_uri(benchmark: Benchmark, uri: str | None = None) -> str | None:
    """The tracking URI that somebody asked for; None if nobody did.

    Raises:
        UserError: naming what is wrong with it, and where it was said.
    """
    said = {"--uri": uri, URI_VARIABLE: os.environ.get(URI_VARIABLE) or None}
    for where, chosen in {**said, "tracking.uri": benchmark.tracking.uri}.items():
        if chosen is not None:
            if wrong := _wrong_with(chosen):
                raise UserError(f"{where}: {hide_password(chosen)!r} {wrong}")
            return chosen
    return None


def _wrong_with(uri: str) -> str | None:
    """Why a tracking URI cannot be one; None if it may: MLflow refuses the rest in a sentence of its own."""
    if uri != uri.strip() or not uri.isprintable() or not uri:
        return f"is no tracking URI: expected {EXPECTED_URI}"
    try:
        parts = urllib.parse.urlsplit(uri)
        _ = parts.port  # looked at only when it is asked for
    except ValueError as error:
        return f"is no tracking URI ({error}): expected {EXPECTED_URI}"
    if parts.scheme in ("http", "https") and not parts.hostname:
        return f"names no server: expected {EXPECTED_URI}"
    if parts.scheme != "sqlite":
        return None
    database = Store(uri, None).database
    if database is None or database.name in ("", ":memory:"):
        return f"names no file: expected {EXPECTED_URI}"
    # MLflow would try for minutes.
    if database.is_dir() or (database.exists() and not os.access(database, os.R_OK | os.W_OK)):
        return "is not a file that can be read and written"
    return None


@contextlib.contextmanager
def mlflow_errors(store: Store, doing: str) -> Iterator[None]:
    """Turn whatever MLflow raises (a database without its driver: ImportError) into a TrackingError."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = _reason(store, error)
        raise TrackingError(f"MLflow at {hide_password(store.uri)}, {doing}: {reason}") from error


def _reason(store: Store, error: Exception) -> str:
    """Why MLflow failed, in a line."""
    code = getattr(error, "error_code", None)
    if "NewConnectionError" in str(error):  # a page of urllib3's innards otherwise
        return "the server cannot be reached"
    if any(end in str(error) for end in ("RemoteDisconnected", "ConnectionResetError", "IncompleteRead")):
        return "the server ended the connection"
    if store.server and code in ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"):
        user = store.user()
        known = f"does not know {user!r} with this password" if user else "asks for a name and a password"
        return f"the server {known} ({', '.join(CREDENTIALS)})"
    # A server refuses, too, whoever calls it by a name that it was not told of, and says so.
    if store.server and code == "PERMISSION_DENIED" and "Permission denied" in str(error):
        return f"the server does not allow that to {store.user() or 'whoever has no name'}"
    return store.hidden(str(error).strip().split("\n")[0])[:300]


def connect(store: Store) -> MlflowClient:
    """A client of the store, whose schema is created if need be (seconds), by one process at a time.

    Raises:
        UserError: if mlflow is not installed, or the store cannot be opened.
    """
    client_class = _import_mlflow()
    with contextlib.ExitStack() as stack:
        stack.enter_context(mlflow_errors(store, "opening the store"))
        if store.database is not None:
            # Processes that create the schema at once leave a database that stays unusable.
            lock = store.database.with_name(f"{store.database.name}.lock")
            stack.enter_context(locks.acquire(lock, wait=True))
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
    for name in UNHEARD:
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient


def hide_password(uri: str) -> str:
    """A URI fit for a log: a password in it, or a token in the place of a name, is replaced by stars."""
    # Not by taking it apart, which a URI that is none does not allow.
    return USER_PART.sub(lambda match: f"://{match[1] or ''}***@", uri, count=1)
