"""Small things that several tests need. No test needs the internet, a GPU or a downloaded dataset."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from pixelcnn.config import DatasetSpec, RunSpec, TrainingSpec, VariantSpec
from pixelcnn.data.preparation import PreparedData
from pixelcnn.data.source import Split

#: Small hyper-parameters of every registered architecture; one that is new runs with its own.
SMALL = {
    "pixelcnn": {"channels": 5, "blocks": 2, "first_kernel_size": 5, "head_channels": 7},
    "gated": {"channels": 5, "blocks": 2, "first_kernel_size": 5, "head_channels": 7},
    "attention": {"channels": 4, "blocks": 2, "heads": 2, "first_kernel_size": 5, "head_channels": 7},
}


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch):
    """A developer's own settings do not reach the tests."""
    for name in ("PIXELCNN_DATA_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """A database with its schema, which takes seconds to create: once for all tests."""
    pytest.importorskip("mlflow")
    from pixelcnn.tracking_store import connect, default_store

    store = default_store(tmp_path_factory.mktemp("template"))
    connect(store)
    assert store.database is not None
    return store.database


def stripes(n: int, size: int, levels: int, seed: int) -> Split:
    """Images that can be learnt: class 0 has horizontal, class 1 vertical stripes, with noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    row, column = np.indices((size, size))
    clean = np.where(labels[:, None, None] == 0, row[None] % 2, column[None] % 2) * (levels - 1)
    noisy = np.where(random.random(clean.shape) < 0.1, random.integers(0, levels, clean.shape), clean)
    return Split(noisy[:, None].astype(np.uint8), labels.astype(np.int64))


def prepared(n: int = 100, size: int = 6, levels: int = 2, labelled: bool = True) -> PreparedData:
    splits = {
        name: stripes(count, size, levels, i)
        for i, (name, count) in enumerate({"train": n, "valid": 30, "test": 37}.items())
    }
    if not labelled:
        splits = {name: Split(split.images) for name, split in splits.items()}
    return PreparedData(
        splits=splits,
        levels=levels,
        classes=2 if labelled else None,
        train_is_intensity=False,
        spec=DatasetSpec("stripes.py", size, levels),
        sha256="0" * 64,
    )


def run_spec(model: str = "pixelcnn", *, conditional: bool = False, seed: int = 0, **training) -> RunSpec:
    return RunSpec(
        benchmark="tests",
        dataset_name="stripes",
        variant_name=model,
        seed=seed,
        dataset=DatasetSpec("stripes.py", 6, 2),
        variant=VariantSpec(model, conditional=conditional, hyperparameters=SMALL.get(model, {})),
        training=TrainingSpec(**{"epochs": 3, "batch_size": 16, "warmup_steps": 3, **training}),
    )
