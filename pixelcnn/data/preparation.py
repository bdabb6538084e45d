"""From a source's raw images to the one file that every run of a dataset reads."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.config import DatasetSpec, dataset_digest
from pixelcnn.data.source import SPLITS, Source, Split, find_source
from pixelcnn.errors import ConfigError, DataError
from pixelcnn.files import atomic

#: What reading a damaged .npz file raises.
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
DATA_ROOT_VARIABLE = "PIXELCNN_DATA_ROOT"


@dataclass(frozen=True)
class PreparedData:
    """Integer images and labels of a dataset.

    `splits[name].images` is uint8 [N, C, H, W] with values 0..levels-1. Only when
    `train_is_intensity` (binarize: stochastic) the training images are 8-bit intensities, from
    which binary ones are drawn anew for every epoch. `classes` is None without labels.
    """

    splits: dict[str, Split]
    levels: int
    classes: int | None
    train_is_intensity: bool
    spec: DatasetSpec
    sha256: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.splits["train"].images.shape
        return channels, height, width

    @property
    def dims(self) -> int:
        """C·H·W, the dimensions that bits/dim and perplexity are counted over."""
        return int(np.prod(self.shape))


def data_root(configured: str) -> Path:
    """The folder with source files: the environment variable before the config."""
    return Path(os.environ.get(DATA_ROOT_VARIABLE) or configured)


def check_dataset(spec: DatasetSpec) -> Source:
    """The source of `spec`, if it can give what `spec` asks for; reads no data.

    Raises:
        ConfigError: naming the key that does not fit the source.
    """
    source = find_source(spec.source)
    size = spec.image_size or source.SIZE
    if source.SIZE % size:
        raise ConfigError(
            f"image_size: {size} does not divide {source.SIZE}, the size of {spec.source}; "
            "average pooling needs a whole factor"
        )
    if source.LEVELS == 2:
        if spec.levels != 2 or spec.binarize is not None or size != source.SIZE:
            raise ConfigError(
                f"levels: {spec.source} is binary: it needs levels: 2, no binarize and no other image_size"
            )
    elif spec.levels > source.LEVELS:
        raise ConfigError(f"levels: {spec.levels} is more than the {source.LEVELS} of {spec.source}")
    elif spec.binarize == "stochastic" and source.LEVELS != 256:
        raise ConfigError(f"binarize: stochastic needs 256 levels; {spec.source} has {source.LEVELS}")
    elif spec.levels == 2 and spec.binarize is None:
        raise ConfigError("binarize: levels: 2 needs binarize: threshold or binarize: stochastic")
    return source


def prepare(spec: DatasetSpec, root: Path) -> PreparedData:
    """Load, pool and quantise the images of `spec`; `root` is the data root.

    Raises:
        ConfigError: if the source cannot give what `spec` asks for.
        DataError: if a source file is missing, damaged or holds labels out of range.
    """
    source = check_dataset(spec)
    raw = source.load(root, spec.split_seed)
    for name in SPLITS:
        _check_split(spec.source, name, raw.get(name), source)
    factor = source.SIZE // (spec.image_size or source.SIZE)
    pooled = {name: _pool(_plain(raw[name], source), factor) for name in SPLITS}
    splits = {name: _quantise(pooled[name], name, spec, source) for name in SPLITS}
    data = PreparedData(
        splits=splits,
        levels=spec.levels,
        classes=source.CLASSES,
        train_is_intensity=spec.binarize == "stochastic",
        spec=spec,
    )
    return replace(data, sha256=_content_digest(data))


def _check_split(source_name: str, name: str, split: Split | None, source: Source) -> None:
    where = f"{source_name}: split {name}"
    if split is None or len(split.images) == 0:
        raise DataError(f"{where}: has no images")
    images, labels = split.images, split.labels
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[2:] != (source.SIZE, source.SIZE):
        raise DataError(
            f"{where}: expected uint8 images [N, C, {source.SIZE}, {source.SIZE}], "
            f"got {images.dtype} {list(images.shape)}"
        )
    if images.shape[1] != 1:
        raise DataError(f"{where}: expected grey images of 1 channel, got {images.shape[1]} channels")
    if images.max() >= source.LEVELS:
        raise DataError(f"{where}: pixel {images.max()} is out of range 0..{source.LEVELS - 1}")
    if source.CLASSES is None:
        return
    if labels is None or labels.shape != (len(images),):
        raise DataError(f"{where}: expected one label for each of {len(images)} images")
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{where}: expected integer labels, got {labels.dtype}")
    if labels.min() < 0 or labels.max() >= source.CLASSES:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(f"{where}: label {wrong} is out of range 0..{source.CLASSES - 1}")


def _plain(split: Split, source: Source) -> Split:
    """The labels as int64, and none at all for a source that says it has none."""
    if source.CLASSES is None or split.labels is None:
        return Split(split.images)
    return Split(split.images, split.labels.astype(np.int64))


def _pool(split: Split, factor: int) -> Split:
    """Average over factor x factor pixels, rounded to the nearest integer."""
    if factor == 1:
        return split
    n, c, h, w = split.images.shape
    blocks = split.images.reshape(n, c, h // factor, factor, w // factor, factor)
    return replace(split, images=np.rint(blocks.mean(axis=(3, 5))).astype(np.uint8))


def _quantise(split: Split, name: str, spec: DatasetSpec, source: Source) -> Split:
    if spec.levels == source.LEVELS:
        return split
    if spec.binarize == "stochastic":
        if name == "train":  # drawn anew for every epoch, from intensities on the scale 0..255
            return split
        # Validation and test images are drawn once: a number on them stays comparable.
        random = np.random.default_rng([spec.split_seed, SPLITS.index(name)])
        return replace(split, images=draw_binary(split.images, random))
    levels = split.images.astype(np.uint32) * spec.levels // source.LEVELS
    return replace(split, images=levels.astype(np.uint8))


def draw_binary(intensity: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Binary images whose pixels are 1 with probability intensity/255."""
    return (random.random(intensity.shape, dtype=np.float32) * 255 < intensity).astype(np.uint8)


def _content_digest(data: PreparedData) -> str:
    digest = hashlib.sha256(json.dumps([data.levels, data.classes, data.train_is_intensity]).encode())
    for name in SPLITS:
        split = data.splits[name]
        digest.update(repr(split.images.shape).encode() + np.ascontiguousarray(split.images).tobytes())
        if split.labels is not None:
            digest.update(split.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def save(data: PreparedData, path: Path) -> None:
    """Write arrays, labels and description into one file, atomically."""
    description = {
        "format": 1,
        "shape": data.shape,
        "levels": data.levels,
        "classes": data.classes,
        "counts": {name: len(split.images) for name, split in data.splits.items()},
        "train_is_intensity": data.train_is_intensity,
        "sha256": data.sha256,
        "spec": asdict(data.spec),
        "digest": dataset_digest(data.spec),
    }
    arrays: dict[str, Any] = {f"{name}_images": split.images for name, split in data.splits.items()}
    arrays |= {f"{n}_labels": s.labels for n, s in data.splits.items() if s.labels is not None}
    with atomic(path) as temporary:
        np.savez_compressed(temporary, description=np.array(json.dumps(description)), **arrays)


def read_description(path: Path) -> dict[str, Any]:
    """What `save` wrote about the data, without the arrays.

    Raises:
        DataError: if the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return json.loads(str(file["description"]))
    except DAMAGED as error:
        raise DataError(f"{path}: damaged prepared data ({error}); delete it and prepare it again") from error


def load_prepared(path: Path) -> PreparedData:
    """Read a file that `save` wrote and check its SHA-256.

    Raises:
        DataError: if it is missing, damaged or altered.
    """
    if not path.is_file():
        raise DataError(f"{path}: no prepared data there; run `pixelcnn prepare` first")
    try:
        description = read_description(path)
        with np.load(path, allow_pickle=False) as file:
            splits = {name: Split(file[f"{name}_images"], file.get(f"{name}_labels")) for name in SPLITS}
    except DAMAGED as error:
        raise DataError(f"{path}: damaged prepared data ({error}); delete it and prepare it again") from error
    data = PreparedData(
        splits=splits,
        levels=description["levels"],
        classes=description["classes"],
        train_is_intensity=description["train_is_intensity"],
        spec=DatasetSpec(**description["spec"]),
        sha256=description["sha256"],
    )
    if _content_digest(data) != data.sha256:
        raise DataError(
            f"{path}: altered (its content does not match its SHA-256); delete it and prepare again"
        )
    return data
