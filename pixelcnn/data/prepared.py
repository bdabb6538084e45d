"""The one file that every run of a dataset reads.

Its arrays are stored, not compressed, and mapped into memory: runs on one machine share them. Files of format
1 were compressed; they are read as well, into a temporary file each.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.config.fields import from_plain, without_absent
from pixelcnn.config.run_spec import DatasetSpec, dataset_digest
from pixelcnn.data import npz
from pixelcnn.data.contract import SPLITS, Split
from pixelcnn.data.scratch import chunks
from pixelcnn.system.errors import DataError
from pixelcnn.system.files import atomic

FORMAT, READ = 2, (1, 2)
#: What reading a damaged .npz file raises.
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


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
        for part in chunks(split.images):
            digest.update(np.ascontiguousarray(part).data)
        if split.labels is not None:
            digest.update(split.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def save(data: PreparedData, path: Path) -> None:
    """Write images, labels and description into one file, atomically, part by part."""
    description = {
        "format": FORMAT,
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
    arrays: dict[str, NDArray[Any]] = {f"{name}_images": split.images for name, split in data.splits.items()}
    arrays |= {f"{n}_labels": s.labels for n, s in data.splits.items() if s.labels is not None}
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        said = np.array(json.dumps(description))
        npz.add(archive, "description", said.shape, said.dtype, [said])
        for name, array in arrays.items():
            npz.add(archive, name, array.shape, array.dtype, chunks(array))


def read_description(path: Path) -> dict[str, Any]:
    """What `save` wrote about the data, without the arrays.

    Raises:
        DataError: if the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            description: dict[str, Any] = json.loads(str(file["description"]))
    except DAMAGED as error:
        raise DataError(f"{path}: damaged prepared data ({error}); delete it and prepare it again") from error
    if description.get("format", 1) not in READ:
        raise DataError(
            f"{path}: prepared data of format {description['format']}, written by another "
            "version of pixelcnn; delete it and prepare it again"
        )
    return description


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
        arrays = npz.members(path, written_to=True)  # as torch wants them
        splits = {name: Split(arrays[f"{name}_images"], _labels(arrays, name)) for name in SPLITS}
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


def _labels(arrays: Mapping[str, NDArray[Any]], split: str) -> NDArray[Any] | None:
    labels = arrays.get(f"{split}_labels")
    return None if labels is None else np.array(labels)  # in memory: there they lie where words begin
