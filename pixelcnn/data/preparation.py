"""From a source's raw images to the one file that every run of a dataset reads."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import SPLITS, Source, Split, find_source
from pixelcnn.data.images import pool, quantise
from pixelcnn.data.prepared import PreparedData, _content_digest
from pixelcnn.system.errors import ConfigError, DataError

DATA_ROOT_VARIABLE = "PIXELCNN_DATA_ROOT"


def data_root(configured: str) -> Path:
    """The folder with source files: the environment variable before the config."""
    return Path(os.environ.get(DATA_ROOT_VARIABLE) or configured).expanduser()


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
    pooled = {name: pool(_plain(raw[name], source), factor) for name in SPLITS}
    splits = {name: quantise(pooled[name], name, spec, source) for name in SPLITS}
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
