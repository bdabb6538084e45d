"""Kuzushiji-MNIST by torchvision: 50,000 / 10,000 / 10,000.

The last official training images are the validation split.
"""

from __future__ import annotations

from pathlib import Path

from pixelcnn.data.contract import Split
from pixelcnn.data.published import like_mnist

CLASSES: int | None = 10
LEVELS = 256
SIZE = 28

VALID_IMAGES = 10_000


def load(data_root: Path, split_seed: int) -> dict[str, Split]:
    """The three splits; they are fixed, so `split_seed` changes nothing."""
    return like_mnist("kmnist", "KMNIST", data_root, VALID_IMAGES)
