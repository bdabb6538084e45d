"""Colour patches, 16x16, of the two photographs that come inside scikit-learn; the label says of which.

Each photograph, 427x640, is cut into upright strips, three times over: training, validation, test, with a gap
of 16 columns between, so that no patch shares or touches a pixel of another split. (One strip each would show
other things: in a third of the sky are brightnesses that the rest has not.) Training patches lie 8 pixels
apart and overlap; those of the other splits do not.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelcnn.data.contract import Split
from pixelcnn.system.errors import DataError
from pixelcnn.system.files import sha256

CLASSES: int | None = 2
LEVELS = 256
CHANNELS = 3
SIZE = 16

SHA256 = {
    "china.jpg": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    "flower.jpg": "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
}
#: First column and the one after the last of each split's first strip, and how far its patches lie apart; the
#: others begin so many columns further on.
STRIPS = {"train": (0, 96, 8), "valid": (112, 144, 16), "test": (160, 192, 16)}
FURTHER = (0, 208, 416)


def load(data_root: Path, split_seed: int) -> dict[str, Split]:
    """The three splits, in random order; `data_root` is not needed: the photographs come with a package."""
    both = photographs()
    random = np.random.default_rng(split_seed)
    splits = {}
    for name, (left, right, step) in STRIPS.items():
        parts = [
            np.concatenate([_patches(photograph[:, :, left + at : right + at], step) for at in FURTHER])
            for photograph in both
        ]
        labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        order = random.permutation(len(labels))
        splits[name] = Split(np.concatenate(parts)[order], labels[order])
    return splits


def photographs() -> list[NDArray[np.uint8]]:
    """Both, uint8 [3, 427, 640].

    Raises:
        DataError: if they are not where scikit-learn has them, or are not as published.
    """
    return [_photograph(_folder() / name, digest) for name, digest in SHA256.items()]


def _patches(strip: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Patches [n, 3, 16, 16] of a strip [3, h, w], row by row."""
    windows = np.lib.stride_tricks.sliding_window_view(strip, (SIZE, SIZE), axis=(1, 2))
    chosen = windows[:, ::step, ::step].transpose(1, 2, 0, 3, 4)
    return chosen.reshape(-1, CHANNELS, SIZE, SIZE)


def _folder() -> Path:
    # The package is located, not imported, which would take a second.
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("photos: its photographs come with the package scikit-learn, which is not installed")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "images"


def _photograph(path: Path, digest: str) -> NDArray[np.uint8]:
    """A photograph as uint8 [3, h, w]."""
    if not path.is_file():
        raise DataError(f"photos: {path} is missing; reinstall the package scikit-learn")
    if sha256(path) != digest:
        raise DataError(f"photos: {path} is damaged (its SHA-256 is not {digest}); reinstall scikit-learn")
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
