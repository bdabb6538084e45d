"""What is drawn or scored, as files: single pictures, grids, arrays, maps of bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelcnn.images.channels import picture
from pixelcnn.images.grids import COLUMNS, grid
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import atomic

#: Pixels that the longer side of a map has at least.
MAP_SIDE = 224
FORMS = "an .npz or .png file, or a folder"
#: Brightness of what is not kept, in a grid of completions.
UNKNOWN = 128


def check_form(out: Path) -> None:
    """Refuse what is neither of `FORMS`.

    Raises:
        UserError: naming it.
    """
    if out.suffix in (".npz", ".png"):
        if out.is_dir():
            raise UserError(f"--out: {out} is a folder, expected a file")
    elif out.suffix or (out.exists() and not out.is_dir()):
        raise UserError(f"--out: expected {FORMS}; got {out}")


def levels_in(images: Any, levels: int) -> NDArray[np.uint8]:
    """Integers 0..levels-1 in an array of any shape.

    Raises:
        UserError: if they are no such integers.
    """
    array, wanted = np.asarray(images), f"images: expected integers 0..{levels - 1}"
    if not np.issubdtype(array.dtype, np.integer) or not array.size:
        raise UserError(f"{wanted}, got {array.dtype}{'' if array.size else ' of no images'}")
    if array.min() < 0 or array.max() >= levels:
        raise UserError(f"{wanted}, got {array.min()}..{array.max()}")
    return array.astype(np.uint8)


def brightness(images: NDArray[np.uint8], levels: int) -> NDArray[np.uint8]:
    """Levels 0..levels-1 as 0..255: the lowest that are not below their share.

    They quantise to the same where the source has 256 levels, or those of the model.
    """
    scaled: NDArray[np.uint8] = (-(-images.astype(np.int64) * 255 // (levels - 1))).astype(np.uint8)
    return scaled


def read_back(images: NDArray[np.uint8], levels: int, read_as: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same, but the lowest brightness that is read as the level, [256], where that one is not."""
    shown = brightness(np.arange(levels, dtype=np.uint8), levels)
    for level in np.flatnonzero(read_as[shown] != np.arange(levels)):
        shown[level] = np.flatnonzero(read_as == level)[0]
    return shown[images]


def save(
    out: Path, images: NDArray[np.uint8], levels: int, names: Sequence[str], columns: int = COLUMNS
) -> None:
    """Write images uint8 [n, C, H, W] as one grid into a .png, or each as `NAME.png` into a folder."""
    if out.suffix == ".png":
        with atomic(out) as temporary:
            grid(images, levels, columns).save(temporary, format="PNG")
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(names, brightness(images, levels), strict=True):
        with atomic(out / f"{name}.png") as temporary:
            picture(pixels).save(temporary, format="PNG")


def completion_row(
    original: NDArray[np.uint8], kept: NDArray[np.bool_], drawn: NDArray[np.uint8], levels: int
) -> NDArray[np.uint8]:
    """What was kept of an image [C, H, W], its completions [n, C, H, W] and itself, as brightness 0..255."""
    whole = brightness(original, levels)
    return np.concatenate(
        [np.where(kept, whole, UNKNOWN)[None], brightness(drawn, levels), whole[None]]
    ).astype(np.uint8)


def save_maps(folder: Path, bits: NDArray[np.float64], names: Sequence[str]) -> float:
    """Write a heat map of each image's bits per pixel [n, H, W], all of one scale, whose end is returned."""
    from matplotlib import colormaps

    folder.mkdir(parents=True, exist_ok=True)
    top = max(float(bits.max()), 1e-9)
    scale = max(1, -(-MAP_SIDE // max(bits.shape[1:])))
    for name, values in zip(names, bits, strict=True):
        colours = colormaps["magma"](np.clip(values / top, 0, 1), bytes=True)[:, :, :3]
        with atomic(folder / f"{name}.png") as temporary:
            Image.fromarray(colours.repeat(scale, 0).repeat(scale, 1)).save(temporary, format="PNG")
    return top


def file_names(pictures: Sequence[Path]) -> list[str]:
    """A name for what is made of each picture: its own, with a number where several have the same."""
    stems = [path.stem for path in pictures]
    times = Counter(stems)
    digits = len(str(len(stems)))
    return [stem if times[stem] == 1 else f"{index:0{digits}d}-{stem}" for index, stem in enumerate(stems, 1)]


def save_arrays(out: Path, **arrays: Any) -> None:
    """Write an .npz file, atomically."""
    with atomic(out) as temporary:
        np.savez_compressed(temporary, **arrays)
