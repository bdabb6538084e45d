"""Tracking URIs that are none, or lead nowhere."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from benchmarks.made_up import write_run
from pixelcnn.cli import main
from pixelcnn.results.folder import folder_of
from pixelcnn.tracking import projection, watch
from pixelcnn.tracking.store import URI_VARIABLE, hide_password

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
