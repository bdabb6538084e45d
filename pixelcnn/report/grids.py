"""Pictures of images: samples of a variant, and real test images to hold them against."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixelcnn.errors import DataError

COLUMNS = 10
FRAME = 236  # grey value of the lines between images: light on either page colour
WIDTH = 1000  # pixels that an enlarged grid is about as wide as

_HEADERS: dict[tuple[int, int], Callable[..., tuple[Any, ...]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

#: What reading a damaged or foreign .npz file raises.
UNREADABLE = (OSError, ValueError, KeyError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Tile:
    """A grid of images as PNG bytes, with its size in pixels and what to say below it."""

    name: str
    caption: str
    png: bytes
    width: int
    height: int


def read_images(path: Path, images: str, labels: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Images uint8 [n, C, H, W] and labels [n], or None, under their keys in an .npz file.

    Raises:
        DataError: if the file cannot be read or holds no such images.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            pictures = arrays[images]
            marks = arrays.get(labels)
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot read {images}: {error}") from error
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3) or not len(pictures):
        raise DataError(f"{path}: {images} should be [n, 1 or 3, H, W], is {list(pictures.shape)}")
    return pictures, marks


def counts(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every array `*_images` in a prepared data file, by split, without reading pixels."""
    shapes: dict[str, tuple[int, ...]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("_images.npy"):
                    with archive.open(name) as stream:
                        version = np.lib.format.read_magic(stream)
                        read = _HEADERS[version]
                        shapes[name.removesuffix("_images.npy")] = read(stream)[0]
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot read: {error}") from error
    return shapes


def by_class(labels: Sequence[int] | np.ndarray) -> list[int]:
    """An order of the images that goes through the classes again and again: 0 1 2 ... 0 1 2 ..."""
    seen: dict[int, int] = {}
    keys = []
    for index, label in enumerate(labels):
        occurrence = seen.get(int(label), 0)
        seen[int(label)] = occurrence + 1
        keys.append((occurrence, int(label), index))
    return [index for _, _, index in sorted(keys)]


def tile(name: str, caption: str, images: np.ndarray, levels: int) -> Tile:
    """Images uint8 [n, C, H, W] with values 0..levels-1 as a framed grid, enlarged pixel by pixel."""
    n, channels, height, width = images.shape
    columns = min(COLUMNS, n)
    rows = -(-n // columns)
    scale = max(1, round(WIDTH / columns / width))
    gap = max(1, round(0.06 * width * scale))
    step_y, step_x = height * scale + gap, width * scale + gap
    canvas = np.full((rows * step_y + gap, columns * step_x + gap, channels), FRAME, np.uint8)
    grey = (images.astype(np.float64) * (255 / (levels - 1))).round().clip(0, 255).astype(np.uint8)
    for index, picture in enumerate(grey.transpose(0, 2, 3, 1)):
        large = picture.repeat(scale, 0).repeat(scale, 1)
        y, x = index // columns * step_y + gap, index % columns * step_x + gap
        canvas[y : y + height * scale, x : x + width * scale] = large
    stream = io.BytesIO()
    Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas).save(stream, "PNG", optimize=True)
    return Tile(name, caption, stream.getvalue(), canvas.shape[1], canvas.shape[0])
