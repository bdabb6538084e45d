"""What a dataset module must offer, and how it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pixelcnn.data.sources
from pixelcnn.config.run_spec import LARGEST_IMAGE
from pixelcnn.system import plugins
from pixelcnn.system.errors import ConfigError

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Images uint8 [N, C, H, W] as the source has them, and labels int64 [N] or None.

    A dataset module may give other whole numbers, lists and tensors; `data.raw` makes arrays of them.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Source:
    """A dataset module, by what stands at its top level.

    classes: CLASSES, the number of classes, or None if the source has no labels.
    levels: LEVELS, grey levels of a raw pixel, 256 for 8-bit images, 2 for binary ones.
    size: SIZE, height and width of a raw image.
    load: called with the data root and the split seed, gives the splits train, valid and test; raises a
        DataError if a file is missing or damaged, saying which and where it belongs.
    """

    name: str
    classes: int | None
    levels: int
    size: int
    load: Callable[[Path, int], Any]


def find_source(name: str) -> Source:
    """The dataset called `name`, or the one in the user's file `name`.

    Raises:
        ConfigError: if it is unknown, lacks one of the names that a dataset module needs, or has another
            thing there.
    """
    try:
        module = plugins.load(name, pixelcnn.data.sources)
    except ConfigError as error:
        raise ConfigError(f"source: {error}") from None
    for attribute in ("CLASSES", "LEVELS", "SIZE", "load"):
        if not hasattr(module, attribute):
            raise ConfigError(f"source: {name} defines no {attribute}; a dataset module needs it")
    if not callable(module.load):
        raise ConfigError(f"source: {name}: load: expected a function, got {module.load!r}")
    classes = None
    if module.CLASSES is not None:
        classes = _whole(name, "CLASSES", module.CLASSES, 1, None)
    return Source(
        name=name,
        classes=classes,
        levels=_whole(name, "LEVELS", module.LEVELS, 2, 256),
        size=_whole(name, "SIZE", module.SIZE, 1, LARGEST_IMAGE),
        load=module.load,
    )


def _whole(name: str, attribute: str, value: Any, low: int, high: int | None) -> int:
    """A whole number at the top level of a module, as Python's or numpy's; true and false are none."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        found = int(value)
        if low <= found and (high is None or found <= high):
            return found
    bounds = f"from {low} on, or None without labels" if high is None else f"from {low} to {high}"
    raise ConfigError(f"source: {name}: {attribute}: expected a whole number {bounds}, got {value!r}")
