"""What a dataset module must offer, and how it is found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

import pixelcnn.data.sources
from pixelcnn.system import plugins
from pixelcnn.system.errors import ConfigError

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Images uint8 [N, C, H, W] as the source has them, and labels int64 [N] or None."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None


class Source(Protocol):
    """A dataset module: these four names at its top level.

    CLASSES: number of classes, or None if the source has no labels.
    LEVELS: grey levels of a raw pixel, 256 for 8-bit images, 2 for binary ones.
    SIZE: height and width of a raw image.
    """

    CLASSES: int | None
    LEVELS: int
    SIZE: int

    def load(self, data_root: Path, split_seed: int) -> dict[str, Split]:
        """The splits train, valid and test.

        Raises:
            DataError: if a file is missing or damaged, saying which and where it belongs.
        """


def find_source(name: str) -> Source:
    """The dataset called `name`, or the one in the user's file `name`.

    Raises:
        ConfigError: if it is unknown or lacks one of the names that a dataset module needs.
    """
    try:
        module = plugins.load(name, pixelcnn.data.sources)
    except ConfigError as error:
        raise ConfigError(f"source: {error}") from None
    for attribute in ("CLASSES", "LEVELS", "SIZE", "load"):
        if not hasattr(module, attribute):
            raise ConfigError(f"source: {name} defines no {attribute}; a dataset module needs it")
    return cast(Source, module)
