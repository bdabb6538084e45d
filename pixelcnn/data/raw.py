"""What the `load` of a dataset module gives, checked and made into arrays: a user's own may give anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.data.contract import SPLITS, Source, Split
from pixelcnn.data.scratch import chunks
from pixelcnn.system.errors import DataError


def checked(given: Any, source: Source) -> dict[str, Split]:
    """The three splits as arrays: images uint8 [N, C, H, W], labels int64 [N], None without classes.

    Arrays, lists and tensors of whole numbers are taken, and a pair for a `Split`.

    Raises:
        DataError: naming the source, the split, what was given and what was expected.
    """
    expected = f"expected a dict of the splits {', '.join(SPLITS)}"
    if not isinstance(given, Mapping):
        raise DataError(f"{source.name}: load gave {_kind(given)}, {expected}")
    if set(given) != set(SPLITS):
        raise DataError(f"{source.name}: load gave {', '.join(map(str, given)) or 'no split'}; {expected}")
    return {name: _split(given[name], f"{source.name}: split {name}", source) for name in SPLITS}


def _split(value: Any, where: str, source: Source) -> Split:
    if isinstance(value, tuple) and len(value) == 2:
        value = Split(*value)
    if not isinstance(value, Split):
        raise DataError(f"{where}: expected Split(images, labels), got {_kind(value)}")
    images = _images(value.images, where, source)
    if source.classes is None:
        return Split(images)
    return Split(images, _labels(value.labels, len(images), where, source.classes))


def _images(value: Any, where: str, source: Source) -> NDArray[np.uint8]:
    images = _array(value, f"{where}: images")
    if not images.size:
        raise DataError(f"{where}: has no images")
    height, width = source.size
    if not np.issubdtype(images.dtype, np.integer) or images.ndim != 4 or images.shape[2:] != source.size:
        real = np.issubdtype(images.dtype, np.floating)
        span = f" from {images.min():g} to {images.max():g}" if real else ""
        raise DataError(
            f"{where}: expected uint8 images [N, C, {height}, {width}], "
            f"got {images.dtype} {list(images.shape)}{span}"
        )
    if images.shape[1] != source.channels:
        count = f"{source.channels} channel{'' if source.channels == 1 else 's'}"
        raise DataError(f"{where}: expected images of {count}, got {images.shape[1]}")
    _check_range(images, source.levels, f"{where}: pixel")
    return images.astype(np.uint8, copy=False)


def _labels(value: Any, count: int, where: str, classes: int) -> NDArray[np.int64]:
    labels = None if value is None else _array(value, f"{where}: labels")
    if labels is None or labels.shape != (count,):
        got = "None" if labels is None else f"shape {list(labels.shape)}"
        raise DataError(f"{where}: expected one label for each of {count} images, got {got}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{where}: expected integer labels, got {labels.dtype}")
    _check_range(labels, classes, f"{where}: label")
    return labels.astype(np.int64)


def _array(value: Any, where: str) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists, tensors on a GPU or with gradients
        raise DataError(f"{where}: {_kind(value)} that makes no array: {error}") from error


def _check_range(values: NDArray[Any], end: int, what: str) -> None:
    if values.dtype == np.uint8 and end == 256:
        return
    ends = [(part.min(), part.max()) for part in chunks(values)]
    low, high = min(one for one, _ in ends), max(one for _, one in ends)
    if low < 0 or high >= end:
        raise DataError(f"{what} {low if low < 0 else high} is out of range 0..{end - 1}")


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
