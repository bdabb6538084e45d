"""The one file that every run of a dataset reads."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelcnn.config.fields import from_plain, without_absent
from pixelcnn.config.run_spec import DatasetSpec, dataset_digest
from pixelcnn.data.contract import SPLITS, Split
from pixelcnn.system.errors import DataError
from pixelcnn.system.files import atomic

#: What reading a damaged .npz file raises.
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class PreparedData:
    """Integer images and labels of a dataset.

    `splits[name].images` is uint8 [N, C, H, W] with values 0..levels-1. Only when
    `train_is_intensity` (binarize: stochastic) the training images are 8-bit intensities, from
    which binary ones are drawn anew for every epoch. `classes` is None without labels. `repeated` counts the
    images that stand in two splits, see `data.repeated`; None where that was not looked at. `left_out` counts
    the files of the source that could not be read.
    """

    splits: dict[str, Split]
    levels: int
    classes: int | None
    train_is_intensity: bool
    spec: DatasetSpec
    sha256: str = ""
    repeated: dict[str, int] | None = None
    left_out: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.splits["train"].images.shape
        return channels, height, width

    @property
    def dims(self) -> int:
        """C·H·W, the dimensions that bits/dim and perplexity are counted over."""
        return int(np.prod(self.shape))


def _content_digest(data: PreparedData) -> str:
    digest = hashlib.sha256(json.dumps([data.levels, data.classes, data.train_is_intensity]).encode())
    for name in SPLITS:
        split = data.splits[name]
        digest.update(repr(split.images.shape).encode())
        digest.update(np.ascontiguousarray(split.images).data)  # no copy
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
        "repeated": data.repeated,
        "left_out": data.left_out,
        "spec": without_absent(data.spec),
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
            description: dict[str, Any] = json.loads(str(file["description"]))
            return description
    except DAMAGED as error:
        raise DataError(f"{path}: damaged prepared data ({error}); delete it and prepare it again") from error


def left_out_words(description: Mapping[str, Any]) -> list[str]:
    """A sentence on files that were left out, if any were, from the description of prepared data."""
    count = description.get("left_out", 0)
    return [f"{count:,} file{'s' if count > 1 else ''} could not be read and left out"] if count else []


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
        spec=from_plain(DatasetSpec, description["spec"], "spec"),
        sha256=description["sha256"],
        repeated=description.get("repeated"),
        left_out=description.get("left_out", 0),
    )
    if _content_digest(data) != data.sha256:
        raise DataError(
            f"{path}: altered (its content does not match its SHA-256); delete it and prepare again"
        )
    return data
