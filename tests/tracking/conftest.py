"""A benchmark to project."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.made_up import benchmark
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.tracking.store import URI_VARIABLE


@pytest.fixture
def made(tmp_path, empty_database, monkeypatch) -> Benchmark:
    """Two runs to be, and the database that the results folder already has."""
    monkeypatch.delenv(URI_VARIABLE, raising=False)
    (tmp_path / "mlflow").mkdir()
    shutil.copy(empty_database, tmp_path / "mlflow" / "mlflow.db")
    variants = {"gated": {"model": "gated_pixelcnn", "conditional": True, "hyperparameters": {"channels": 8}}}
    return benchmark(tmp_path, variants=variants, seeds=[0, 1], training={"epochs": 4}, note="A note.")
