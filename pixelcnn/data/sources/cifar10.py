"""CIFAR-10 by torchvision: 45,000 / 5,000 / 10,000.

The last official training images are the validation split. Published bits/dim are of models that were
trained on all 50,000.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelcnn.data.contract import Split
from pixelcnn.data.published import fetched, held_out

CLASSES: int | None = 10
LEVELS = 256
CHANNELS = 3
SIZE = 32

VALID_IMAGES = 5_000


def load(data_root: Path, split_seed: int) -> dict[str, Split]:
    """The three splits; they are fixed, so `split_seed` changes nothing."""
    files = f"the unpacked folder cifar-10-batches-py into {data_root}"
    train, test = (fetched("cifar10", "CIFAR10", data_root, files, train=part) for part in (True, False))
    images, test_images = (found.data.transpose(0, 3, 1, 2) for found in (train, test))
    return held_out(images, train.targets, VALID_IMAGES, Split(test_images, np.array(test.targets, np.int64)))
