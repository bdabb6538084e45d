"""Colour patches, 32x32, of the photographs of `source: photos`: of CIFAR-10's shape, without a download.

Of a photograph's columns the last 64 are for validation, the 64 before for test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelcnn.data.contract import Split
from pixelcnn.data.sources.photos import photographs

CLASSES: int | None = None
LEVELS = 256
CHANNELS = 3
SIZE = 32
#: First column, the one after the last, and how far patches lie apart.
COLUMNS = {"train": (0, 512, 8), "test": (512, 576, 32), "valid": (576, 640, 32)}


def load(data_root: Path, split_seed: int) -> dict[str, Split]:
    """The three splits; `data_root` and `split_seed` are not needed."""
    return {
        name: Split(np.concatenate([patches(both[:, :, left:right], step) for both in photographs()]))
        for name, (left, right, step) in COLUMNS.items()
    }


def patches(strip: np.ndarray, step: int) -> np.ndarray:
    """[n, 3, 32, 32] of a strip [3, h, w]."""
    windows = np.lib.stride_tricks.sliding_window_view(strip, (SIZE, SIZE), axis=(1, 2))
    return windows[:, ::step, ::step].transpose(1, 2, 0, 3, 4).reshape(-1, CHANNELS, SIZE, SIZE)
