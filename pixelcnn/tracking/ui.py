"""MLflow's UI: a server where none runs, the address of a benchmark's runs, opening it in a browser."""

from __future__ import annotations

import errno
import os
import platform
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from pathlib import Path

from pixelcnn.config.reading import load_planned
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json
from pixelcnn.tracking.experiment import find_experiment
from pixelcnn.tracking.layout import CHARTS_QUERY, TABLE_QUERY
from pixelcnn.tracking.store import (
    Store,
    configure,
    connect,
    default_store,
    find_store,
    hide_password,
)

HOST = "127.0.0.1"
PORT = 5000
EVERYWHERE = ("0.0.0.0", "::")
START_SECONDS = 120.0  # how long a browser waits for the server


def serve(
    benchmark_dir: Path,
    *,
    host: str = HOST,
    port: int = PORT,
    allowed_hosts: str | None = None,
    open_browser: bool = True,
) -> int:
    """Run the server until it is stopped; prints the address of the runs, and opens it on a desktop.

    Where a server tracks the benchmark already, that one's address is meant, and none is started.

    Raises:
        UserError: if nothing was tracked there yet, or something else has the port.
    """
    store = _existing_store(benchmark_dir)
    address = runs_address(benchmark_dir, host=host, port=port)
    if store.server is not None:
        _print(address)
        if open_browser and has_desktop():
            webbrowser.open(address)
        return 0
    command = ui_command(benchmark_dir, host=host, port=port, allowed_hosts=allowed_hosts)
    _check_port(host, port)
    _print(address)
    print("MLflow takes some seconds to start; Ctrl-C ends it.", flush=True)
    server = subprocess.Popen(command)
    if open_browser and has_desktop():
        here = HOST if host in EVERYWHERE else host  # this machine need not know itself by its name
        opened = (server, here, port, address.replace(f"//{_in_url(host)}:", f"//{_in_url(here)}:"))
        threading.Thread(target=_open_when_up, args=opened, daemon=True).start()
    try:
        return server.wait()
    except KeyboardInterrupt:  # the server was told, too: it belongs to the same terminal
        server.wait()
        raise
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()


def _print(address: str) -> None:
    print(f"The runs:     {address}")
    print(f"Their charts: {address}&{CHARTS_QUERY}", flush=True)


def has_desktop() -> bool:
    """Whether there is a screen on which a browser could open."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            pass
    except (OSError, OverflowError) as error:
        if isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
            raise UserError(f"--host: {host!r} is no address of this machine ({error})") from error
        raise UserError(
            f"port {port} on {host} is not free ({error}): is the UI open already? "
            "Otherwise choose another: make ui PORT=5001, or pixelcnn ui --port 5001"
        ) from error


def _open_when_up(server: subprocess.Popen[bytes], host: str, port: int, address: str) -> None:
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        if answers(port, host):
            webbrowser.open(address)
            return
        time.sleep(0.3)


def answers(port: int, host: str = HOST) -> bool:
    """Whether an MLflow server on this machine takes requests."""
    try:
        with urllib.request.urlopen(f"http://{_in_url(host)}:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # not yet
        return False


def _in_url(host: str) -> str:
    """How others call a machine that listens at an address."""
    name = platform.node() if host in EVERYWHERE else host
    return f"[{name}]" if ":" in name else name


def ui_command(
    results_dir: Path, *, host: str = HOST, port: int = PORT, allowed_hosts: str | None = None
) -> list[str]:
    """The command of a server that shows a results folder's own store, or that of a benchmark's folder.

    Only this machine reaches it, unless `host` is another address. Sets MLflow's environment defaults (no
    telemetry) in this process, for the child to inherit.

    Raises:
        UserError: if nothing was tracked there yet.
    """
    configure()
    store = _existing_store(results_dir)
    assert store.artifacts is not None
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    # One worker is enough for one user; a line for every request would bury the address.
    command += ["--workers", "1", "--uvicorn-opts", "--log-level warning", "--backend-store-uri", store.uri]
    command += ["--default-artifact-root", store.artifacts.as_uri()]
    return command + _access(host, port, allowed_hosts)


def _access(host: str, port: int, allowed_hosts: str | None) -> list[str]:
    """By which names a browser elsewhere may ask: MLflow refuses others, and searches from others' pages."""
    if allowed_hosts is None and host in (HOST, "localhost"):
        return []
    given = allowed_hosts.split(",") if allowed_hosts else []
    names = [*(name.strip() for name in given), _in_url(host), "localhost", HOST]
    names += [f"{name}:{port}" for name in names]
    origins = [f"{scheme}://{name}" for name in names for scheme in ("http", "https")]
    both = (["*"], ["*"]) if "*" in names else (names, origins)
    return ["--allowed-hosts", ",".join(both[0]), "--cors-allowed-origins", ",".join(both[1])]


def _existing_store(folder: Path) -> Store:
    config = BenchmarkFolder(folder).config
    store = find_store(folder, load_planned(config)) if config.exists() else default_store(folder)
    if store.database is not None and not store.database.exists():
        raise UserError(f"{store.database}: no MLflow database yet; expected what `pixelcnn track DIR` makes")
    if store.artifacts is None and store.server is None:
        raise UserError(f"the runs are tracked at {hide_password(store.uri)}, whose own pages show them")
    return store


def runs_address(benchmark_dir: Path, *, host: str = HOST, port: int = PORT) -> str:
    """The address of a benchmark's runs table, on the server that tracks it or on that of `ui_command`.

    Raises:
        UserError: if the benchmark was not tracked there yet.
    """
    store = _existing_store(benchmark_dir)
    folder = BenchmarkFolder(benchmark_dir)
    benchmark = load_planned(folder.config)
    found = find_experiment(connect(store), store, benchmark, _noted(folder, store))
    if found is None:
        where = store.database or hide_password(store.uri)
        raise UserError(
            f"{where}: has no experiment {benchmark.benchmark}; expected what `pixelcnn track` makes"
        )
    server = store.server or f"http://{_in_url(host)}:{port}"
    return f"{server}/#/experiments/{found.experiment_id}/runs?{TABLE_QUERY}"


def _noted(folder: BenchmarkFolder, store: Store) -> str | None:
    """The id of the experiment that the tracker last wrote to in this store; None if it was in another."""
    if not folder.tracked.exists():
        return None
    noted = read_json(folder.tracked)
    there = Store(str(noted.get("uri")), None)
    same = there.server == store.server if store.server else there.uri == hide_password(store.uri)
    return noted.get("experiment_id") if same else None
