"""MLflow's UI on a results folder: the server, the address of a benchmark's runs, opening it in a browser."""

from __future__ import annotations

import os
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
from pixelcnn.tracking.layout import CHARTS_QUERY, TABLE_QUERY
from pixelcnn.tracking.store import Store, configure, connect, default_store, mlflow_errors

HOST = "127.0.0.1"
PORT = 5000
START_SECONDS = 120.0  # how long a browser waits for the server


def serve(benchmark_dir: Path, *, port: int = PORT, open_browser: bool = True) -> int:
    """Run the server until it is stopped; prints the address of the runs, and opens it on a desktop.

    Raises:
        UserError: if nothing was tracked there yet, or something else has the port.
    """
    command = ui_command(benchmark_dir, port=port)
    address = runs_address(benchmark_dir, port=port)
    _check_port(port)
    print(f"The runs:     {address}")
    print(f"Their charts: {address}&{CHARTS_QUERY}")
    print("MLflow takes some seconds to start; Ctrl-C ends it.", flush=True)
    server = subprocess.Popen(command)
    if open_browser and has_desktop():
        threading.Thread(target=_open_when_up, args=(server, port, address), daemon=True).start()
    try:
        return server.wait()
    except KeyboardInterrupt:  # the server was told, too: it belongs to the same terminal
        server.wait()
        raise
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()


def has_desktop() -> bool:
    """Whether there is a screen on which a browser could open."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _check_port(port: int) -> None:
    try:
        with socket.create_server((HOST, port)):
            pass
    except (OSError, OverflowError) as error:
        raise UserError(
            f"port {port} on {HOST} is not free ({error}): is the UI open already? "
            "Otherwise choose another: make ui PORT=5001, or pixelcnn ui --port 5001"
        ) from error


def _open_when_up(server: subprocess.Popen[bytes], port: int, address: str) -> None:
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        if answers(port):
            webbrowser.open(address)
            return
        time.sleep(0.3)


def answers(port: int) -> bool:
    """Whether an MLflow server on this machine takes requests."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # not yet
        return False


def ui_command(results_dir: Path, *, port: int = PORT) -> list[str]:
    """The command of a server on this machine only that shows a results folder's own store.

    Sets MLflow's environment defaults (no telemetry) in this process, for the child to inherit.
    A benchmark's own folder is accepted too.

    Raises:
        UserError: if nothing was tracked there yet.
    """
    configure()
    store = _existing_store(results_dir)
    assert store.artifacts is not None
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    # One worker is enough for one user; a line for every request would bury the address.
    command += ["--workers", "1", "--uvicorn-opts", "--log-level warning", "--backend-store-uri", store.uri]
    return [*command, "--default-artifact-root", store.artifacts.as_uri()]


def _existing_store(folder: Path) -> Store:
    results_dir = folder.resolve().parent if BenchmarkFolder(folder).config.exists() else folder
    store = default_store(results_dir)
    if store.database is None or not store.database.exists():
        raise UserError(f"{store.database}: no MLflow database yet; expected what `pixelcnn track DIR` makes")
    return store


def runs_address(benchmark_dir: Path, *, port: int = PORT) -> str:
    """The address of a benchmark's runs table on the server of `ui_command`.

    Raises:
        UserError: if the benchmark was not tracked in its results folder's own store yet.
    """
    store = _existing_store(benchmark_dir)
    name = load_planned(BenchmarkFolder(benchmark_dir).config).benchmark
    client = connect(store)
    with mlflow_errors(store, f"looking for the experiment {name}"):
        found = client.get_experiment_by_name(name)
    if found is None:
        raise UserError(f"{store.database}: has no experiment {name}; expected what `pixelcnn track` makes")
    return f"http://{HOST}:{port}/#/experiments/{found.experiment_id}/runs?{TABLE_QUERY}"
