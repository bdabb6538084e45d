"""ImageNet at 32x32 of Chrabaszcz et al. 2017: 1,231,167 / 50,000 / 50,000, in 1,000 classes.

"A Downsampled Variant of ImageNet as an Alternative to the CIFAR datasets", as the authors distribute it: the
files train_data_batch_1 to train_data_batch_10 and val_data, pickled or as .npz.

It is NOT the older downsampling of van den Oord et al. 2016 ("Pixel Recurrent Neural Networks", 49,999
validation images), which image-net.org offers no longer and of which most published bits/dim of "ImageNet
32x32" are. That was resampled otherwise, which changes how many bits an image takes: numbers on the two do
not compare.

The last training images, which come in a random order, are the validation split; the official validation
images are the test split. Classes are those of the files less one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.data import npz, pickles
from pixelcnn.data.contract import Split
from pixelcnn.data.prepared import DAMAGED
from pixelcnn.data.published import held_out
from pixelcnn.data.scratch import Scratch, chunks
from pixelcnn.system.errors import DataError

CLASSES: int | None = 1000
LEVELS = 256
CHANNELS = 3
SIZE = 32

VALID_IMAGES = 50_000
TRAIN = tuple(f"train_data_batch_{i}" for i in range(1, 11))
TEST = ("val_data",)
#: Images of all files of each.
COUNTS = {TRAIN: 1_281_167, TEST: 50_000}


def load(data_root: Path, split_seed: int) -> dict[str, Split]:
    """The three splits; they are fixed, so `split_seed` changes nothing.

    Raises:
        DataError: naming a file that is missing, damaged or holds something else.
    """
    folder = data_root / "imagenet32"
    files = {names: [_found(folder, name) for name in names] for names in COUNTS}
    whole = {names: _whole(paths, COUNTS[names]) for names, paths in files.items()}
    return held_out(*whole[TRAIN], VALID_IMAGES, Split(*whole[TEST]))


def _found(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.npz", folder / name):
        if path.is_file():
            return path
    raise DataError(
        f"imagenet32: neither {folder / name}.npz nor {name} is there. Put {TRAIN[0]} to {TRAIN[-1]} and "
        f"{TEST[0]}, as .npz or pickled, from https://image-net.org/download-images into {folder}, or point "
        "data_root in the config or the environment variable PIXELCNN_DATA_ROOT at the folder that holds "
        "imagenet32/"
    )


def _whole(paths: list[Path], count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images and labels of some files; one of them is held at a time."""
    images, labels = Scratch((CHANNELS, SIZE, SIZE)), []
    for path in paths:
        rows, classes = _batch(path)
        for part in chunks(rows):
            images.add(part.reshape(-1, CHANNELS, SIZE, SIZE))
        labels.append(classes)
    found = np.concatenate(labels)
    if len(found) != count:
        raise DataError(
            f"imagenet32: {paths[0]} to {paths[-1].name} have {len(found):,} images, expected {count:,}"
        )
    return images.images(), found


def _batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels uint8 [n, 3072], red before green before blue, and classes from 0 on, [n]."""
    try:
        if path.suffix == ".npz":
            content: Any = npz.members(path, ("data", "labels"))
        else:
            content = pickles.read(path)
        pixels, labels = content["data"], np.asarray(content["labels"])
    except (*DAMAGED, *pickles.DAMAGED) as error:
        raise DataError(f"imagenet32: {path} is truncated or damaged: {error}") from error
    fits = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.shape[1:] == (3 * SIZE**2,)
    if not fits or labels.shape != pixels.shape[:1] or labels.dtype.kind not in "iu":
        raise DataError(f"imagenet32: {path}: expected data, uint8 [n, 3072], and labels [n]")
    if labels.min(initial=1) < 1 or labels.max(initial=1) > CLASSES:
        raise DataError(f"imagenet32: {path}: expected labels from 1 to {CLASSES}")
    return pixels, labels.astype(np.int64) - 1
