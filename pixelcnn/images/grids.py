"""Images side by side in one picture, enlarged pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelcnn.images.channels import FRAME, panels
from pixelcnn.system.files import atomic

COLUMNS = 10
WIDTH = 1000  # pixels that an enlarged grid is about as wide as


def grid(images: NDArray[np.uint8], levels: int, columns: int = COLUMNS) -> Image.Image:
    """Images uint8 [n, C, H, W] with values 0..levels-1, row by row in a frame."""
    return _framed(_grey(images, levels), min(columns, len(images)))


def completion_grid(
    originals: NDArray[np.uint8], completions: NDArray[np.uint8], given_rows: int, levels: int
) -> Image.Image:
    """What was given, its completions and the original, side by side, two originals a row.

    originals: uint8 [n, C, H, W]. completions: uint8 [n, times, C, H, W].
    """
    grey = _grey(originals, levels)
    given = grey.copy()
    given[:, :, given_rows:] = FRAME
    drawn = _grey(completions.reshape(-1, *originals.shape[1:]), levels).reshape(completions.shape)
    tiles = np.concatenate([given[:, None], drawn, grey[:, None]], axis=1)
    return _framed(tiles.reshape(-1, *originals.shape[1:]), tiles.shape[1] * min(2, len(originals)))


def _grey(images: NDArray[np.uint8], levels: int) -> NDArray[np.uint8]:
    return (images.astype(np.float64) * (255 / (levels - 1))).round().clip(0, 255).astype(np.uint8)


def _framed(grey: NDArray[np.uint8], columns: int) -> Image.Image:
    """Images uint8 [n, C, H, W] with values 0..255, enlarged pixel by pixel."""
    shown = panels(grey)
    n, channels, height, width = shown.shape
    rows = -(-n // columns)
    scale = max(1, round(WIDTH / columns / width))
    # Images lie further apart than the panels of one.
    gap = max(1, round(0.06 * width * scale), 0 if shown is grey else 3 * scale)
    step_y, step_x = height * scale + gap, width * scale + gap
    canvas = np.full((rows * step_y + gap, columns * step_x + gap, channels), FRAME, np.uint8)
    for index, picture in enumerate(shown.transpose(0, 2, 3, 1)):
        y, x = index // columns * step_y + gap, index % columns * step_x + gap
        canvas[y : y + height * scale, x : x + width * scale] = picture.repeat(scale, 0).repeat(scale, 1)
    return Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)


def save_grid(path: Path, images: NDArray[np.uint8], levels: int) -> None:
    """Write a grid as PNG, atomically."""
    with atomic(path) as temporary:
        grid(images, levels).save(temporary)


def save_completions(
    path: Path, originals: NDArray[np.uint8], completions: NDArray[np.uint8], given_rows: int, levels: int
) -> None:
    """Write a grid of completions as PNG, atomically."""
    with atomic(path) as temporary:
        completion_grid(originals, completions, given_rows, levels).save(temporary)


def in_turn(count: int, labels: NDArray[np.int64] | None) -> list[int]:
    """An order of images in which the first ones stand for all, though files are often sorted by class.

    Class after class again and again or, where nobody knows the classes, drawn at random, always the same.
    """
    if labels is not None:
        return by_class(labels)
    # Not by `derived_seed`, which needs torch: a report does without.
    drawn: list[int] = np.random.default_rng(0).permutation(count).tolist()
    return drawn


def by_class(labels: Sequence[int] | NDArray[np.int64]) -> list[int]:
    """An order of the images that goes through the classes again and again: 0 1 2 ... 0 1 2 ..."""
    seen: dict[int, int] = {}
    keys = []
    for index, label in enumerate(labels):
        occurrence = seen.get(int(label), 0)
        seen[int(label)] = occurrence + 1
        keys.append((occurrence, int(label), index))
    return [index for _, _, index in sorted(keys)]
