"""Data sets that torchvision knows: downloaded unless they are there, and checked by its sums."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.data.contract import Split
from pixelcnn.system.errors import DataError


def fetched(source: str, kind: str, data_root: Path, files: str, **options: Any) -> Any:
    """The torchvision dataset `kind`; `files` says what belongs where if there is no internet.

    Raises:
        DataError: if it is not there as published, and cannot be downloaded.
    """
    try:
        return _torchvision(source, kind)(str(data_root), download=True, **options)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{source}: not found as published, and the download failed ({reason}). Put {files}, or "
            "point data_root in the config or the environment variable PIXELCNN_DATA_ROOT at their folder"
        ) from error


def _torchvision(source: str, kind: str) -> Any:
    try:
        import torchvision.datasets
    except ImportError as error:
        raise DataError(f"{source}: needs torchvision, which cannot be imported: {error}") from error
    return getattr(torchvision.datasets, kind)


def held_out(images: NDArray[np.uint8], labels: Any, count: int, test: Split) -> dict[str, Split]:
    """Splits of which the validation images are the last `count` of the training images."""
    numbers = np.asarray(labels, np.int64)
    return {
        "train": Split(images[:-count], numbers[:-count]),
        "valid": Split(images[-count:], numbers[-count:]),
        "test": test,
    }


def like_mnist(source: str, kind: str, data_root: Path, valid_images: int) -> dict[str, Split]:
    """The splits of a data set in MNIST's four files, read from the zipped ones, whose sums are known.

    Raises:
        DataError: if a file is missing or altered.
    """
    raw = data_root / kind / "raw"
    names = "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz and those of t10k"
    found = fetched(source, kind, data_root, f"the four zipped files {names} into {raw}")
    images, labels, test_images, test_labels = (
        _idx(source, raw / name, digest) for name, digest in found.resources
    )
    test = Split(test_images[:, None], test_labels.astype(np.int64))
    return held_out(images[:, None], labels, valid_images, test)


def _idx(source: str, path: Path, digest: str) -> NDArray[np.uint8]:
    """An array of a zipped IDX file: a magic number that ends in its axes, their lengths, the bytes."""
    zipped = path.read_bytes() if path.is_file() else b""
    if hashlib.md5(zipped, usedforsecurity=False).hexdigest() != digest:
        raise DataError(
            f"{source}: {path} is missing, truncated or altered (its MD5 is not {digest}); "
            f"delete {path.parent}, and it is downloaded anew, or put the original file there"
        )
    content = gzip.decompress(zipped)
    axes = content[3]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(
        np.frombuffer(content, ">i4", axes, offset=4)
    )
