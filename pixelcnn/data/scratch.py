"""Images that lie on disk while a dataset is prepared, so that memory need not hold all of them.

The file has no name, in the folder for temporary files (TMPDIR), and vanishes with the process.
"""

from __future__ import annotations

import math
import mmap
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.system.errors import DataError

#: Bytes that are worked on at once, at least one row; in floating point they take eight times the memory.
PART = 2**22


class Scratch:
    """Images uint8 of a shape [C, H, W], added one after the other, then read as an array that is mapped."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self._count = shape, 0
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as this
        except OSError as error:
            raise no_room(error) from error

    def add(self, images: NDArray[np.uint8]) -> None:
        """More images [n, C, H, W].

        Raises:
            DataError: if the disk is full.
        """
        assert images.shape[1:] == self.shape and images.dtype == np.uint8
        try:
            # Not through the map: there a full disk would kill the process.
            self._file.write(np.ascontiguousarray(images).data)
        except OSError as error:
            raise no_room(error) from error
        self._count += len(images)

    def images(self) -> NDArray[np.uint8]:
        """All that were added, [N, C, H, W]; what is written to them is in the file only."""
        try:
            self._file.flush()
        except OSError as error:
            raise no_room(error) from error
        if not self._count:
            return np.empty((0, *self.shape), np.uint8)
        return np.asarray(np.memmap(self._file, np.uint8, "r+", shape=(self._count, *self.shape)))

    @classmethod
    def of(cls, parts: Iterable[NDArray[np.uint8]], shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The images of all parts, each [n, *shape]."""
        scratch = cls(shape)
        for part in parts:
            scratch.add(part)
        return scratch.images()


def chunks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """An array by parts of some rows; of a mapped one the memory of each is given back after it."""
    rows = rows_at_once(array)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]
        release(array)


def rows_at_once(array: NDArray[Any]) -> int:
    """How many rows of an array make a part."""
    return max(1, PART // (math.prod(array.shape[1:]) * array.itemsize or 1))


def release(array: NDArray[Any]) -> None:
    """Give the memory of an array back, if it is mapped: what is looked at is read from its file again."""
    base: Any = array
    mapped = False
    while isinstance(base, np.ndarray):
        # Of a map that is copied where it is written to ("c") what was written would be lost.
        mapped |= isinstance(base, np.memmap) and base.mode in ("r", "r+")
        base = base.base
    if mapped and isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)


def no_room(error: OSError) -> DataError:
    """What is told of a full disk, and what helps."""
    return DataError(
        f"{tempfile.gettempdir()}: {error.strerror or error}; images are put there while they are "
        "prepared or unpacked, and TMPDIR in the environment names another folder"
    )
