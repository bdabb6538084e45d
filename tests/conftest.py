"""Small things that several tests need. No test needs the internet, a GPU or a downloaded dataset."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Several processes test side by side: each computes with one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch):
    """A developer's own settings do not reach the tests."""
    for name in ("PIXELCNN_DATA_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def _no_power_cut():
    """Files need not reach the disk, which thousands of small ones would wait for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect():
    """The collector does not look at what is there when a file begins: all that was ever imported.

    Trainings and statsmodels' corrections call it, and small ones take a third of the time so.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    gc.unfreeze()  # libraries find all of theirs when the interpreter ends


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """A database with its schema, which takes seconds to create: once for all tests."""
    pytest.importorskip("mlflow")
    from pixelcnn.tracking.store import connect, default_store

    store = default_store(tmp_path_factory.mktemp("template"))
    connect(store)
    assert store.database is not None
    return store.database


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # xdist would begin with the files that have most tests


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also what `make test-all` runs: marked as product")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that no process works at one of them alone in the end."""
    if not config.getoption("--all"):
        items[:] = [item for item in items if not item.get_closest_marker("product")]
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
