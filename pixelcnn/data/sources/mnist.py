"""MNIST by torchvision: 50,000 / 10,000 / 10,000.

The last 10,000 of the official training images are the validation split; the official test
images are the test split. Downloaded into the data root unless it is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pixelcnn.data.contract import Split
from pixelcnn.system.errors import DataError
from pixelcnn.system.files import sha256

CLASSES: int | None = 10
LEVELS = 256
SIZE = 28

VALID_IMAGES = 10_000
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def load(data_root: Path, split_seed: int) -> dict[str, Split]:
    """The three splits; they are the customary ones, so `split_seed` changes nothing."""
    raw = data_root / "MNIST" / "raw"
    if not all((raw / name).is_file() for name in SHA256):
        _download(data_root, raw)
    for name, expected in SHA256.items():
        if sha256(raw / name) != expected:
            raise DataError(
                f"mnist: {raw / name} is truncated or altered (its SHA-256 is not {expected}); "
                "delete it, and it is downloaded anew, or put the original file there"
            )
    images, labels = _read(data_root, train=True)
    test_images, test_labels = _read(data_root, train=False)
    return {
        "train": Split(images[:-VALID_IMAGES], labels[:-VALID_IMAGES]),
        "valid": Split(images[-VALID_IMAGES:], labels[-VALID_IMAGES:]),
        "test": Split(test_images, test_labels),
    }


def _torchvision_mnist() -> Any:
    try:
        from torchvision.datasets import MNIST
    except ImportError as error:
        raise DataError(f"mnist: needs torchvision, which cannot be imported: {error}") from error
    return MNIST


def _download(data_root: Path, raw: Path) -> None:
    try:
        _torchvision_mnist()(str(data_root), download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"mnist: not found, and the download failed ({error}). Put the four unpacked files "
            f"{', '.join(SHA256)} into {raw}, or point data_root in the config or the environment "
            "variable PIXELCNN_DATA_ROOT at the folder that holds MNIST/raw"
        ) from error


def _read(data_root: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
    dataset = _torchvision_mnist()(str(data_root), train=train)
    return dataset.data.numpy()[:, None], dataset.targets.numpy().astype(np.int64)
