"""What a dataset module must offer, and how it is found."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pixelcnn.data.sources
from pixelcnn.config.run_spec import LARGEST_IMAGE, MOST_CHANNELS, SOURCE_KEYS, DatasetSpec
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

    def part(self, which: slice | Sequence[int] | NDArray[np.int64]) -> Split:
        """Some of its images, which have their labels."""
        return Split(self.images[which], None if self.labels is None else self.labels[which])


@dataclass(frozen=True)
class Described:
    """What the images of a source will be where its section of the config decides it: see `source_of`."""

    classes: int | None
    levels: int
    channels: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Loaded:
    """What a `load` may give in the place of the splits: with the number of files that were left out."""

    splits: Mapping[str, Split]
    left_out: int = 0


@dataclass(frozen=True)
class Source:
    """A dataset module, by what stands at its top level.

    classes: CLASSES, the number of classes, or None if the source has no labels.
    levels: LEVELS, grey levels of a raw pixel, 256 for 8-bit images, 2 for binary ones.
    channels: CHANNELS, 1 for grey images, which is meant where it is left out, 3 for red, green and blue, up
        to 16 for others.
    size: SIZE, height and width of a raw image, one number where they are the same.
    load: called with the data root and the split seed, gives the splits train, valid and test; raises a
        DataError if a file is missing or damaged, saying which and where it belongs.
    """

    name: str
    classes: int | None
    levels: int
    channels: int
    size: tuple[int, int]
    load: Callable[[Path, int], Any]

    def shape(self, spec: DatasetSpec) -> tuple[int, int, int]:
        """(C, H, W) of the images that `spec` asks for."""
        return (self.channels, *(spec.height_width or self.size))


def source_of(spec: DatasetSpec) -> Source:
    """The source of a dataset.

    A module whose images depend on the section of the config has `KEYS`, the keys of it that it takes,
    `describe(spec) -> Described` in the place of the four names, and `load(data_root, spec)`.

    Raises:
        ConfigError: as `find_source`, or naming a key that the source does not take.
    """
    with _named_source():
        module = plugins.load(spec.source, pixelcnn.data.sources)
    taken = getattr(module, "KEYS", ())
    absent = {field.name: field.metadata.get("absent") for field in fields(spec)}
    others = [key for key in SOURCE_KEYS if key not in taken and getattr(spec, key) != absent[key]]
    # A resolved section says of itself how many channels its images have.
    if refused := [key for key in others if key != "channels"]:
        raise ConfigError(f"{refused[0]}: source: {spec.source} does not take this key")
    source = _described(module, spec) if hasattr(module, "describe") else find_source(spec.source)
    if others and spec.channels != source.channels:
        raise ConfigError(f"channels: source: {spec.source} has {source.channels}, not {spec.channels}")
    return source


def _described(module: Any, spec: DatasetSpec) -> Source:
    found: Described = module.describe(spec)
    return Source(
        name=spec.source,
        classes=found.classes,
        levels=found.levels,
        channels=found.channels,
        size=found.size,
        load=lambda data_root, split_seed: module.load(data_root, spec),
    )


@contextlib.contextmanager
def _named_source() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"source: {error}") from None


def find_source(name: str) -> Source:
    """The dataset called `name`, or the one in the user's file `name`.

    Raises:
        ConfigError: if it is unknown, lacks one of the names that a dataset module needs, or has another
            thing there.
    """
    with _named_source():
        module = plugins.load(name, pixelcnn.data.sources)
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
        channels=_whole(name, "CHANNELS", getattr(module, "CHANNELS", 1), 1, MOST_CHANNELS),
        size=_size(name, module.SIZE),
        load=module.load,
    )


def labels_asked(spec: DatasetSpec) -> bool:
    """Whether classes are asked for, of a source that has its own or none.

    Raises:
        ConfigError: if the section says something else.
    """
    if spec.labels not in ("folders", "none"):
        raise ConfigError(f"labels: source: {spec.source} takes folders or none, got {spec.labels!r}")
    return spec.labels == "folders"


def _size(name: str, value: Any) -> tuple[int, int]:
    sides = value if isinstance(value, (tuple, list)) else (value, value)
    if len(sides) != 2 or not all(_is_whole(side) and 1 <= side <= LARGEST_IMAGE for side in sides):
        raise ConfigError(
            f"source: {name}: SIZE: expected a whole number from 1 to {LARGEST_IMAGE}, or "
            f"(height, width) of two, got {value!r}"
        )
    return int(sides[0]), int(sides[1])


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _whole(name: str, attribute: str, value: Any, low: int, high: int | None) -> int:
    """A whole number at the top level of a module, as Python's or numpy's; true and false are none."""
    if _is_whole(value):
        found = int(value)
        if low <= found and (high is None or found <= high):
            return found
    bounds = f"from {low} on, or None without labels" if high is None else f"from {low} to {high}"
    raise ConfigError(f"source: {name}: {attribute}: expected a whole number {bounds}, got {value!r}")
