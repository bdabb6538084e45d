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
    (folder / "toy_data.py").write_text(DATASET, encoding="utf-8")
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
    # So that nothing is measured first, unless a test asks for it.
    if isinstance(value["training"], dict):
        value["training"] = {"precision": "float32", **value["training"]}
    path = folder / "toy.yaml"
    path.write_text(json.dumps(value), encoding="utf-8")  # JSON is YAML
    return path


#: A network of one's own whose training waits after two epochs for as long as there is a file `hold`, and
#: says so by a file `held-PID`; both lie in the folder where the command runs.
HELD = """
import os, time
from dataclasses import dataclass
from pathlib import Path
from pixelcnn.layers.pointwise import PixelTable
from pixelcnn.models.base import AutoregressiveModel

@dataclass(frozen=True)
class Hyperparameters:
    steps: int = 8

class Held(AutoregressiveModel):
    steps_left = 0

    def build(self, hyperparameters):
        self.steps_left = hyperparameters.steps
        image = self.image
        return PixelTable(image.classes, self.parameters_per_pixel, image.height, image.width, 10.0)

    def forward(self, x, y=None):
        if self.training:
            if self.steps_left == 0 and Path("hold").exists():
                Path(f"held-{os.getpid()}").touch()
                while Path("hold").exists():
                    time.sleep(0.02)
            self.steps_left -= 1
        return super().forward(x, y)
"""


class Hold:
    """Holds the trainings of `held_toy` in the middle of their work until it is released."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "hold").touch()

    def trainings(self) -> list[int]:
        """The processes that were held so far."""
        return [int(path.name.removeprefix("held-")) for path in self.folder.glob("held-*")]

    def release(self) -> None:
        (self.folder / "hold").unlink(missing_ok=True)


def held_toy(folder: Path, **overrides) -> Path:
    """A toy benchmark of one run of four epochs, whose training can be held; its variant is called `held`."""
    (folder / "held.py").write_text(HELD, encoding="utf-8")
    training = {"epochs": 4, "batch_size": 16, "warmup_steps": 2}
    variants = {"held": {"model": "held.py"}}
    return toy(folder, **{"variants": variants, "seeds": [0], "training": training, **overrides})
