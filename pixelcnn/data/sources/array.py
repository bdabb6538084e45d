"""Images in an array of one's own: a .npy file, or a .npz file with the arrays `images` and perhaps `labels`.

A .npz file with splits has `train_images`, `valid_images` and `test_images`, perhaps with `train_labels` and
so on; otherwise the splits are drawn. The config says what the axes are: nothing is guessed. Files are mapped
into memory: they may be larger than it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.config.run_spec import MOST_CHANNELS, DatasetSpec
from pixelcnn.data import npz
from pixelcnn.data.contract import SPLITS, Described, Split, labels_asked
from pixelcnn.data.prepared import DAMAGED
from pixelcnn.data.scratch import Scratch, chunks, release, rows_at_once
from pixelcnn.data.shares import SHARES, stratified
from pixelcnn.system.errors import ConfigError

KEYS = ("path", "axes", "labels", "shares")
#: What a .npy file and a .npz file begin with.
MAGIC = (b"\x93N", b"PK")


def describe(spec: DatasetSpec) -> Described:
    """What the images are, from the headers of the file and its labels.

    Raises:
        ConfigError: naming the key that is missing or does not fit the file, and what the file has.
    """
    found = _read(spec, outlines=True)
    _, channels, height, width = next(iter(found.values())).images.shape
    labels = [split.labels for split in found.values() if split.labels is not None]
    return Described(_classes(labels, spec) if labels else None, 256, channels, (height, width))


def load(data_root: Path, spec: DatasetSpec) -> dict[str, Split]:
    """The splits, those of the file or drawn; `data_root` is not needed.

    Raises:
        DataError: if a class has too few images for the splits.
    """
    found = _read(spec)
    if set(found) == set(SPLITS):
        return {name: Split(_eight_bits(split.images), split.labels) for name, split in found.items()}
    (whole,) = found.values()
    labels = np.zeros(len(whole.images), np.int64) if whole.labels is None else whole.labels
    names = [] if whole.labels is None else [str(i) for i in range(int(labels.max()) + 1)]
    parts = stratified(labels, names, spec.shares or SHARES, f"array: {spec.path}", spec.split_seed)
    return {
        name: Split(_chosen(whole.images, part), None if whole.labels is None else whole.labels[part])
        for name, part in zip(SPLITS, parts, strict=True)
    }


def _classes(labels: list[NDArray[np.int64]], spec: DatasetSpec) -> int:
    """How many classes there are."""
    found = np.unique(np.concatenate(labels))
    gaps = np.flatnonzero(found != np.arange(len(found)))
    if gaps.size:
        raise ConfigError(
            f"path: {spec.path}: no image has the label {gaps[0]}, and one has {found[-1]}; "
            "expected whole numbers from 0 on without a gap, or say labels: none"
        )
    return len(found)


def _read(spec: DatasetSpec, *, outlines: bool = False) -> dict[str, Split]:
    """The splits of the file, or all images under the name of "images"; of `outlines` their shape alone."""
    if spec.path is None or spec.axes is None:
        key = "path" if spec.path is None else "axes"
        what = "the .npy or .npz file" if spec.path is None else "NHW, NCHW or NHWC"
        raise ConfigError(f"{key}: source: array needs it: {what}")
    path = Path(spec.path)
    if not path.is_file():
        raise ConfigError(f"path: {path}: no such file (looked in {Path.cwd()})")
    arrays = _arrays(path, outlines)
    splits = [name for name in SPLITS if f"{name}_images" in arrays]
    if len(splits) < len(SPLITS) if splits else "images" not in arrays:
        raise ConfigError(
            f"path: {path}: has {', '.join(arrays) or 'no array'}; expected images, or "
            "train_images, valid_images and test_images"
        )
    if splits and spec.shares is not None:
        raise ConfigError(f"shares: {path}: has three splits: nothing is drawn")
    prefixes = [f"{name}_" for name in splits] or [""]
    found = {}
    for name, prefix in zip(splits or ["images"], prefixes, strict=True):
        images = _images(arrays[f"{prefix}images"], spec.axes, f"{path}: {prefix}images")
        labels = arrays.get(f"{prefix}labels") if labels_asked(spec) else None
        if labels is not None:
            labels = _labels(labels, len(images), f"{path}: {prefix}labels")
        found[name] = Split(images, labels)
    if len({split.images.shape[1:] for split in found.values()}) > 1:
        raise ConfigError(f"path: {path}: the images of its splits differ in shape")
    if len({split.labels is None for split in found.values()}) > 1:
        raise ConfigError(f"path: {path}: only some splits have labels; add them, or say labels: none")
    return found


def _arrays(path: Path, outlines: bool) -> dict[str, NDArray[Any]]:
    """What is in the file, mapped; as `outlines` images are of their shape and type and hold nothing."""
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                if file.read(2) not in MAGIC:
                    raise ValueError("it begins as neither of them does")
            return {"images": np.load(path, mmap_mode="r", allow_pickle=False)}
        if not outlines:
            return npz.members(path)
        with np.load(path, allow_pickle=False) as loaded:
            labels = {key: loaded[key] for key in loaded.files if key.endswith("labels")}
        return npz.outlines(path) | labels
    except DAMAGED as error:
        raise ConfigError(f"path: {path}: cannot be read as .npy or .npz: {error}") from error


def _images(array: NDArray[Any], axes: str, where: str) -> NDArray[Any]:
    """As uint8 or uint16 [N, C, H, W]."""
    got = f"got {array.dtype} {list(array.shape)}"
    if array.dtype not in (np.uint8, np.uint16):
        raise ConfigError(f"path: {where}: expected uint8 or uint16, {got}")
    if not array.size:
        raise ConfigError(f"path: {where}: has no images, {got}")
    if array.ndim != len(axes):
        raise ConfigError(f"axes: {where}: {axes} needs an array of {len(axes)} axes, {got}")
    if axes == "NHW":
        array = array[:, None]
    elif axes == "NHWC":
        array = array.transpose(0, 3, 1, 2)
    if array.shape[1] > MOST_CHANNELS or not array.size:
        raise ConfigError(f"axes: {where}: {axes} should have images of 1 to {MOST_CHANNELS} channels, {got}")
    return array


def _upper_bits(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Of 16 bits the upper 8, as 65,536 levels are quantised to 256."""
    return (images >> 8).astype(np.uint8) if images.dtype == np.uint16 else images


def _eight_bits(images: NDArray[Any]) -> NDArray[np.uint8]:
    if images.dtype == np.uint8:
        return images
    return Scratch.of((_upper_bits(part) for part in chunks(images)), images.shape[1:])


def _chosen(images: NDArray[Any], index: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The images at `index` in its order."""
    rows = rows_at_once(images)

    def parts() -> Iterator[NDArray[np.uint8]]:
        for start in range(0, len(index), rows):
            yield _upper_bits(images[index[start : start + rows]])
            release(images)

    return Scratch.of(parts(), images.shape[1:])


def _labels(array: NDArray[Any], count: int, where: str) -> NDArray[np.int64]:
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.integer) or array.min() < 0:
        raise ConfigError(
            f"path: {where}: expected {count} whole numbers from 0 on, one for each image, "
            f"got {array.dtype} {list(array.shape)}"
        )
    return array.astype(np.int64)
