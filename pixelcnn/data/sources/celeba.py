"""CelebA, aligned and cropped faces (Liu et al. 2015): 162,770 / 19,867 / 19,962, the published partition.

Of each picture, 178x218, the rows 40 to 187 and the columns 15 to 162 are kept: the 148x148 of Larsen et al.
2016 ("Autoencoding beyond pixels using a learned similarity metric") and of Real NVP (Dinh et al. 2017), as
both have them in their code. It is averaged over areas to `image_size`, 64x64 unless another is asked for.
Real NVP interpolated linearly without smoothing, others otherwise, and most published bits/dim are of 5 bits
(`levels: 32`) or 8: they compare as far as that allows.

`labels: Smiling`, or another of the 40 attributes, makes two classes of it, without (0) and with it (1).
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import SPLITS, Described, Split
from pixelcnn.data.pictures import Unreadable, area, opened
from pixelcnn.data.scratch import Scratch
from pixelcnn.system.errors import ConfigError, DataError
from pixelcnn.system.progress import images_progress

KEYS = ("labels",)

#: Height and width of a picture, what is kept of it, and the size it is averaged to unless told otherwise.
PICTURE, ROWS, COLUMNS, SIZE = (218, 178), slice(40, 188), slice(15, 163), 64
LARGEST = ROWS.stop - ROWS.start
ADDRESS = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"  # where the authors give them
PARTITION, ATTRIBUTE_LIST, PICTURES = "list_eval_partition.txt", "list_attr_celeba.txt", "img_align_celeba"
#: MD5 of the lists, as torchvision has them.
MD5 = {PARTITION: "d32c9cbf5e040fd4025c592c306e6668", ATTRIBUTE_LIST: "75e246fa4810816ffd6ee81facbd244c"}
ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips",
    "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby",
    "Double_Chin", "Eyeglasses", "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male",
    "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose",
    "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair",
    "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip


def describe(spec: DatasetSpec) -> Described:
    """What the images will be; reads nothing.

    Raises:
        ConfigError: if another size or an unknown attribute is asked for.
    """
    height, width = spec.height_width or (SIZE, SIZE)
    if height != width or height > LARGEST:
        raise ConfigError(f"image_size: source: celeba gives squares up to {LARGEST}, such as 64 or 32")
    if _attribute(spec) not in (None, *ATTRIBUTES):
        raise ConfigError(
            f"labels: celeba has no attribute {spec.labels!r}; expected none or one of "
            f"{', '.join(ATTRIBUTES)}"
        )
    return Described(2 if _attribute(spec) else None, 256, 3, (height, width))


def load(data_root: Path, spec: DatasetSpec) -> dict[str, Split]:
    """The three splits; they are fixed, so `split_seed` changes nothing.

    Raises:
        DataError: naming a file that is missing, damaged or another than the published one.
    """
    folder = data_root / "celeba"
    lists = {name: _checked(folder / name, digest) for name, digest in MD5.items()}
    rows = [line.split() for line in lists[PARTITION].splitlines() if line]
    names: dict[str, list[str]] = {
        split: [name for name, part in rows if int(part) == number] for number, split in enumerate(SPLITS)
    }
    _all_there(folder / PICTURES, [name for name, _ in rows])
    marks = _marks(lists[ATTRIBUTE_LIST], _attribute(spec))
    size = describe(spec).size
    progress, done = images_progress("reading pictures", sys.stderr), 0
    splits = {}
    for split, chosen in names.items():
        images = Scratch((3, *size))
        for name in chosen:
            images.add(_face(folder / PICTURES / name, size)[None])
            done += 1
            progress(done, len(rows))
        labels = np.array([marks[name] for name in chosen], np.int64) if marks else None
        splits[split] = Split(images.images(), labels)
    return splits


def _attribute(spec: DatasetSpec) -> str | None:
    return None if spec.labels in ("folders", "none") else spec.labels


def _checked(path: Path, digest: str) -> str:
    """The text of a list."""
    content = path.read_bytes() if path.is_file() else None
    if content is None:
        raise DataError(
            f"celeba: {path} is missing. Put the unpacked folder {PICTURES}, {PARTITION} and "
            f"{ATTRIBUTE_LIST} of {ADDRESS} into {path.parent}, or point data_root in the config or the "
            "environment variable PIXELCNN_DATA_ROOT at the folder that holds celeba/"
        )
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != digest:
        raise DataError(f"celeba: {path} is truncated or altered (its MD5 is not {digest})")
    return content.decode("ascii")


def _all_there(folder: Path, names: list[str]) -> None:
    missing = sorted(set(names) - set(os.listdir(folder) if folder.is_dir() else ()))
    if missing:
        raise DataError(
            f"celeba: {folder} lacks {len(missing):,} of {len(names):,} pictures, such as {missing[0]}; "
            f"unpack {PICTURES}.zip there"
        )


def _marks(text: str, attribute: str | None) -> dict[str, int]:
    """Whether each picture has the attribute, 0 or 1, by its name; nothing without one."""
    if attribute is None:
        return {}
    _, names, *lines = text.splitlines()
    column = 1 + names.split().index(attribute)
    return {row[0]: int(int(row[column]) > 0) for row in map(str.split, lines) if row}


def _face(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The face of a picture, uint8 [3, *size]."""
    try:
        pixels = np.asarray(opened(path).convert("RGB")).transpose(2, 0, 1)
    except Unreadable as error:
        raise DataError(f"celeba: cannot read {path} ({error}); unpack {PICTURES}.zip anew") from error
    if pixels.shape[1:] != PICTURE:
        found = f"{pixels.shape[1]}x{pixels.shape[2]}"
        raise DataError(f"celeba: {path}: {found} (height x width), expected {PICTURE[0]}x{PICTURE[1]}")
    return kept(pixels, size)


def kept(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """What is made of a published picture, uint8 [3, 218, 178]: the face, [3, *size]."""
    return area(pixels[:, ROWS, COLUMNS], size)
