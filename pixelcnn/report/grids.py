"""Pictures of images: samples of a variant, and real test images to hold them against."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pixelcnn.data import npz
from pixelcnn.images.grids import COLUMNS, completion_grid, grid
from pixelcnn.report.arrays import UNREADABLE
from pixelcnn.system.errors import DataError


@dataclass(frozen=True)
class Tile:
    """A grid of images as PNG bytes, with its size in pixels and what to say below it."""

    name: str
    caption: str
    png: bytes
    width: int
    height: int


def read_images(path: Path, images: str, labels: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Images uint8 [n, C, H, W], mapped, and labels [n], or None, under their keys in an .npz file.

    Raises:
        DataError: if the file cannot be read or holds no such images.
    """
    try:
        arrays = npz.members(path, (images, labels))
        pictures, marks = arrays[images], arrays.get(labels)
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot read {images}: {error}") from error
    if pictures.ndim != 4 or not pictures.size:
        raise DataError(f"{path}: {images} should be [n, C, H, W], is {list(pictures.shape)}")
    return pictures, marks


def counts(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every array `*_images` in a prepared data file, by split, without reading pixels."""
    try:
        arrays = npz.outlines(path)
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot read: {error}") from error
    ending = "_images"
    return {name.removesuffix(ending): one.shape for name, one in arrays.items() if name.endswith(ending)}


@dataclass(frozen=True)
class Completions:
    """Originals uint8 [n, C, H, W], completions [n, times, C, H, W], and how many rows were given."""

    originals: np.ndarray
    completions: np.ndarray
    given_rows: int


def read_completions(path: Path) -> Completions:
    """Completed test images from an .npz file.

    Raises:
        DataError: if the file cannot be read or holds no such images.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = Completions(arrays["originals"], arrays["completions"], int(arrays["given_rows"]))
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot read completions: {error}") from error
    one, several = found.originals.shape, found.completions.shape
    if len(one) != 4 or len(several) != 5 or one != (several[0], *several[2:]) or not one[0]:
        raise DataError(f"{path}: originals {list(one)} and completions {list(several)} do not fit")
    return found


def tile(name: str, caption: str, images: np.ndarray, levels: int, columns: int = COLUMNS) -> Tile:
    """Images uint8 [n, C, H, W] with values 0..levels-1 as a framed grid."""
    return _tile(name, caption, grid(images, levels, columns))


def completions_tile(name: str, caption: str, found: Completions, levels: int) -> Tile:
    """What was given, completed several times, and the original, as a framed grid."""
    picture = completion_grid(found.originals, found.completions, found.given_rows, levels)
    return _tile(name, caption, picture)


def _tile(name: str, caption: str, picture: Image.Image) -> Tile:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return Tile(name, caption, stream.getvalue(), picture.width, picture.height)
