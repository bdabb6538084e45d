"""Images side by side in one PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelcnn.files import atomic

COLUMNS = 10
#: A grid is enlarged by a whole factor to about this many pixels a row.
WIDTH = 640


def grid(images: NDArray[np.uint8], levels: int, columns: int = COLUMNS) -> NDArray[np.uint8]:
    """8-bit grey picture [rows·(H+1)+1, columns·(W+1)+1] of images [N, 1, H, W] with `levels` levels."""
    n, _, height, width = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    picture = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), 128, dtype=np.uint8)
    for i, image in enumerate(images[:, 0]):
        top, left = i // columns * (height + 1) + 1, i % columns * (width + 1) + 1
        picture[top : top + height, left : left + width] = image.astype(np.uint16) * 255 // (levels - 1)
    return picture


def save_grid(path: Path, images: NDArray[np.uint8], levels: int) -> None:
    """Write a grid as PNG, enlarged without smoothing, atomically."""
    picture = Image.fromarray(grid(images, levels))
    factor = max(1, WIDTH // picture.width)
    enlarged = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    with atomic(path) as temporary:
        enlarged.save(temporary)


def class_examples(labels: NDArray[np.int64] | None, available: int, count: int) -> NDArray[np.int64]:
    """Indices of `count` images, class after class in turn where there are labels."""
    if labels is None:
        return np.arange(min(count, available))
    by_class = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    longest = max(len(members) for members in by_class)
    turns = [members[turn] for turn in range(longest) for members in by_class if turn < len(members)]
    return np.array(turns[:count])
