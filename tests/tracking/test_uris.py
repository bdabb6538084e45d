"""Tracking URIs that are none, or lead nowhere."""

from __future__ import annotations

import json
import os
import signal
import threading

import pytest

from benchmarks.made_up import write_run
from pixelcnn.cli import main
from pixelcnn.results.folder import folder_of
from pixelcnn.tracking import projection, watch
from pixelcnn.tracking.store import URI_VARIABLE, Store, TrackingError, hide_password, mlflow_errors

pytest.importorskip("mlflow")

BAD = {
    "http://[bad": "'http://[bad' is no tracking URI (Invalid IPv6 URL)",
    "": "'' is no tracking URI",
    "http://a\nb": r"'http://a\nb' is no tracking URI",
    "http://": "names no server",
    "http://host:port": "is no tracking URI (Port could not be cast",
    "postgresql://host:port/name": "is no tracking URI (Port could not be cast",
    "http://user:p[w@host": "'http://user:***@host' is no tracking URI",
    "sqlite:///": "names no file",
    "sqlite:///:memory:": "names no file",
    "sqlite:////tmp": "is not a file that can be read and written",
    "sqlite:////proc/no/x.db": "MLflow at sqlite:////proc/no/x.db, opening the store: ",
    "ftp://x": "MLflow at ftp://x, opening the store: ",
    "databricks": "MLflow at databricks, opening the store: ",
    "mysql+pymysql://u:p@h/name": "MLflow at mysql+pymysql://u:***@h/name, opening the store: ",
}


@pytest.mark.parametrize("uri", BAD)
def test_a_uri_that_leads_nowhere_is_told_in_one_sentence(made, capfd, monkeypatch, uri):
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert main(["track", str(folder_of(made).path), "--uri", uri]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and said.startswith("pixelcnn track: error: ") and BAD[uri] in said


def test_it_is_said_where_a_bad_uri_comes_from(made, capfd, monkeypatch):
    monkeypatch.setenv(URI_VARIABLE, "http://[bad")
    assert main(["track", str(folder_of(made).path)]) == 2
    assert f"error: {URI_VARIABLE}: 'http://[bad'" in capfd.readouterr().err


def test_a_watcher_says_once_that_its_uri_is_bad(made, monkeypatch, capsys):
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.0)
    write_run(made, made.runs()[0])
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert not projection.watch(folder_of(made).path, interval=0.05, uri="http://[bad")
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[2].partition(" 'http")[0] for line in said] == [
        "--uri:",
        "the last pass failed: --uri:",
    ]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:secret@host/x@y", "http://me:***@host/x@y"),
        ("https://token@host:5000", "https://***@host:5000"),
        ("http://host/a:b@c", "http://host/a:b@c"),
        ("sqlite:////a:b@c/x.db", "sqlite:////a:b@c/x.db"),
        ("http://me:s[ecret@host", "http://me:***@host"),
    ],
)
def test_a_password_is_hidden(uri, shown):
    assert hide_password(uri) == shown
    assert Store(uri, None).hidden(f"PUT {uri}/api: 500 (a@b)") == f"PUT {shown}/api: 500 (a@b)"


@pytest.mark.parametrize(
    ("uri", "code", "told"),
    [
        ("http://ana:secret@h", "UNAUTHENTICATED", "the server does not know 'ana' with this password"),
        ("http://h", "CUSTOMER_UNAUTHORIZED", "the server asks for a name and a password (MLFLOW_TRACKING_"),
        ("http://ana:secret@h", "PERMISSION_DENIED", "the server does not allow that to ana"),
        ("http://invalid.host", "PERMISSION_DENIED", "trying: Invalid Host header"),
        ("http://ana:secret@h", "INTERNAL_ERROR", "at http://ana:***@h/x"),
    ],
)
def test_what_a_server_refuses_is_told_in_words(uri, code, told):
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    with (
        pytest.raises(TrackingError, match="MLflow at ") as raised,
        mlflow_errors(Store(uri, None), "trying"),
    ):
        said = "Invalid Host header" if "invalid" in uri else f"Permission denied at {uri}/x"
        raise MlflowException(said, error_code=ErrorCode.Value(code))
    assert told in str(raised.value) and "secret" not in str(raised.value)


@pytest.mark.parametrize("password", ["secret", "s\u00e9cret", 'se"cret'], ids=["plain", "accent", "quote"])
def test_the_config_that_is_shown_has_no_password(made, tmp_path, password):
    uri = f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
    config = folder_of(made).config
    said = json.loads(config.read_text(encoding="utf-8"))
    said["tracking"]["uri"] = f"http://ana:{password}@host"
    config.write_text(json.dumps(said, indent=1), encoding="utf-8")
    write_run(made, made.runs()[0])
    assert projection.project(folder_of(made).path, uri=uri).ok
    (shown,) = (tmp_path / "mlflow").rglob("config.json")
    said["tracking"]["uri"] = "http://ana:***@host"
    assert json.loads(shown.read_text(encoding="utf-8")) == said
