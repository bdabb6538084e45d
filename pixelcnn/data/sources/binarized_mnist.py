"""The static binarization of MNIST on which published "binarized MNIST" nats are reported.

Larochelle and Murray, "The Neural Autoregressive Distribution Estimator", AISTATS 2011, after
Salakhutdinov and Murray 2008. Three text files with a line of 784 zeros and ones an image,
plain (.amat) or gzipped (.amat.gz), with a split of their own and no labels.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from pixelcnn.data.contract import Split
from pixelcnn.system.errors import DataError

CLASSES: int | None = None
LEVELS = 2
SIZE = 28

ADDRESS = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
COUNTS = {"train": 50_000, "valid": 10_000, "test": 10_000}
#: SHA-256 of the bits, eight to a byte: the same for plain and gzipped files.
SHA256 = {
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
    "test": "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2",
}


def load(data_root: Path, split_seed: int) -> dict[str, Split]:
    """The three splits as published; `split_seed` changes nothing."""
    folder = data_root / "binarized_mnist"
    paths = {split: _find(folder, split) for split in COUNTS}
    return {split: Split(_checked(path, split)) for split, path in paths.items()}


def _find(folder: Path, split: str) -> Path:
    plain = folder / f"binarized_mnist_{split}.amat"
    zipped = plain.with_suffix(".amat.gz")
    for path in (plain, zipped):
        if path.is_file():
            return path
    raise DataError(
        f"binarized_mnist: neither {plain} nor {zipped.name} is there. Put the files "
        f"binarized_mnist_{{train,valid,test}}.amat, plain or gzipped, from {ADDRESS} into {folder}, "
        "or point data_root in the config or the environment variable PIXELCNN_DATA_ROOT "
        "at the folder that holds binarized_mnist/"
    )


def _checked(path: Path, split: str) -> np.ndarray:
    images = read_amat(path)
    if len(images) != COUNTS[split]:
        raise DataError(f"binarized_mnist: {path} has {len(images)} images, expected {COUNTS[split]}")
    digest = hashlib.sha256(np.packbits(images).tobytes()).hexdigest()
    if digest != SHA256[split]:
        raise DataError(f"binarized_mnist: {path} is altered (SHA-256 of its bits is not {SHA256[split]})")
    return images


def read_amat(path: Path) -> np.ndarray:
    """Images uint8 [N, 1, 28, 28] of a text file with 784 zeros and ones a line.

    Raises:
        DataError: if the file is truncated or holds anything else.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"binarized_mnist: {path} is truncated or damaged: {error}") from error
    characters = np.frombuffer(content, np.uint8)
    is_digit = (characters == ord("0")) | (characters == ord("1"))
    is_space = np.isin(characters, np.frombuffer(b" \n\r\t", np.uint8))
    if not (is_digit | is_space).all():
        raise DataError(f"binarized_mnist: {path} holds other characters than 0, 1 and white space")
    bits = characters[is_digit] - ord("0")
    if bits.size == 0 or bits.size % (SIZE * SIZE):
        raise DataError(f"binarized_mnist: {path} is truncated: {bits.size} values are not lines of 784")
    images: np.ndarray = bits.reshape(-1, 1, SIZE, SIZE)
    return images
