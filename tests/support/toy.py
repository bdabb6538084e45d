"""A benchmark that trains in a second, with a dataset of its own."""

from __future__ import annotations

import json
from pathlib import Path

DATASET = """
import numpy as np
from pixelcnn.data.contract import Split
CLASSES, LEVELS, SIZE = 2, 4, 6
def load(data_root, split_seed):
    splits = {}
    for i, (name, n) in enumerate({"train": 60, "valid": 20, "test": 21}.items()):
        random = np.random.default_rng([split_seed, i])
        labels = random.integers(0, 2, n)
        base = np.where(labels[:, None, None, None] == 0, 0, 3) * np.ones((1, 1, 6, 6), int)
        noisy = np.where(random.random(base.shape) < 0.2, random.integers(0, 4, base.shape), base)
        splits[name] = Split(noisy.astype(np.uint8), labels)
    return splits
"""
SMALL = {"channels": 4, "blocks": 1, "head_channels": 4}


def toy(folder: Path, **overrides) -> Path:
    """A benchmark that trains in a second, written into `folder` with its own dataset."""
    (folder / "toy_data.py").write_text(DATASET)
    value = {
        "benchmark": "toy",
        "datasets": {"toy": {"source": "toy_data.py", "levels": 4}},
        "variants": {
            "base": {"model": "pixelcnn", "hyperparameters": SMALL},
            "cond": {"model": "gated", "conditional": True, "hyperparameters": SMALL},
        },
        "seeds": [0, 1],
        "training": {"epochs": 2, "batch_size": 16, "warmup_steps": 2},
        "sampling": {"images": 4},
        **overrides,
    }
    path = folder / "toy.yaml"
    path.write_text(json.dumps(value))  # JSON is YAML
    return path
