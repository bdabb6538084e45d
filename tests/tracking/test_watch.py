"""Following trainings, and servers that are down, slow or refuse."""

from __future__ import annotations

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from support.mlflow_runs import HERE, runs

from benchmarks.made_up import write_run
from pixelcnn.results.folder import folder_of
from pixelcnn.tracking import projection, watch

pytest.importorskip("mlflow")


def test_watch_follows_a_training_until_its_parent_is_gone(made, capsys):
    spec = made.runs()[0]
    config = folder_of(made).path / "config.json"
    hidden = config.rename(config.with_suffix(".hidden"))
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(2.5)"])

    def train() -> None:
        time.sleep(0.3)  # the watcher must wait for the config
        hidden.rename(config)
        write_run(made, spec, status="running", record_values=HERE)
        time.sleep(1.2)
        write_run(made, spec)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        assert projection.watch(folder_of(made).path, interval=0.1, parent_pid=parent.pid)
    finally:
        thread.join()
        parent.wait()
    [run] = runs(made)
    assert run["info"]["status"] == "FINISHED" and len(run["metrics"]["valid_nll"]) == 4
    said = capsys.readouterr().err
    assert said.index(f"{spec.name}: RUNNING") < said.index(f"{spec.name}: FINISHED")


def test_watch_ends_on_sigterm_with_a_last_pass(made):
    write_run(made, made.runs()[0])
    before = signal.getsignal(signal.SIGTERM)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert projection.watch(folder_of(made).path, interval=60)
    assert len(runs(made)) == 1
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_server_that_is_down_fails_the_last_pass_only(made, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.0)
    write_run(made, made.runs()[0])
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()

    assert not projection.watch(folder_of(made).path, interval=0.1, uri="http://127.0.0.1:9")

    said = capsys.readouterr().err
    assert said.count("trying again") == 1 and said.count("the last pass failed") == 1
    assert "Traceback" not in said
    with pytest.raises(projection.TrackingError, match=r"127\.0\.0\.1:9"):
        projection.project(folder_of(made).path, uri="http://127.0.0.1:9")


class Refusing(http.server.BaseHTTPRequestHandler):
    """A server that answers every call with "not now"."""

    def do_GET(self):
        self.send_error(503)

    do_POST = do_GET

    def log_message(self, format, *args):
        pass


@contextlib.contextmanager
def unhelpful_server(kind: str) -> Iterator[str]:
    """The address of a server that refuses, or one that takes connections and never answers."""
    if kind == "silent":
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield f"http://127.0.0.1:{silent.getsockname()[1]}"
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("kind", ["silent", "refusing"])
def test_what_a_slow_or_refusing_server_missed_is_delivered_later(made, monkeypatch, kind):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    for spec in made.runs():
        write_run(made, spec)
    with unhelpful_server(kind) as uri, pytest.raises(projection.TrackingError, match=r"127\.0\.0\.1"):
        projection.project(folder_of(made).path, uri=uri)
    assert len(projection.project(folder_of(made).path).created) == 2
    assert all([step for step, _, _ in run["metrics"]["valid_nll"]] == [1, 2, 3, 4] for run in runs(made))
