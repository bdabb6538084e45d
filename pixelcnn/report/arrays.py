"""Arrays of the runs' .npz files, of which any may be missing or damaged."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What reading a damaged or foreign .npz file raises.
UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


def load(path: Path | None, key: str) -> NDArray[Any] | None:
    """An array of a file; None if there is no such file or array, or it is damaged."""
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            array: NDArray[Any] = arrays[key]
            return array
    except UNREADABLE:
        return None


def mean_of_all(arrays: Iterable[NDArray[Any] | None]) -> NDArray[np.float64] | None:
    """The mean of arrays of one shape; None if there is none, or one is missing, unlike or not finite."""
    found = list(arrays)
    usable = [array for array in found if array is not None and np.isfinite(array).all()]
    if not found or len(usable) < len(found) or len({array.shape for array in usable}) > 1:
        return None
    mean: NDArray[np.float64] = np.mean(usable, axis=0, dtype=np.float64)
    return mean
