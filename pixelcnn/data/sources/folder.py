"""A folder of one's own pictures, see docs/own-images.md.

Sub-folders train, valid and test are splits; of these valid and test may be missing and are drawn then, as
all three are where there are none. Sub-folders below are classes, in the order of their names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import SPLITS, Described, Loaded, Split, labels_asked
from pixelcnn.data.pictures import SUFFIXES, Reading, Unfit, Unreadable
from pixelcnn.data.scratch import Scratch
from pixelcnn.data.shares import SHARES, stratified
from pixelcnn.system.errors import ConfigError, DataError
from pixelcnn.system.progress import images_progress

KEYS = ("path", "channels", "crop", "resize", "background", "labels", "shares", "skip_unreadable")
#: Pictures that are named for one reason.
NAMED = 5

#: The pictures of one split and their labels, which are 0 without classes.
Chosen = tuple[list[Path], list[int]]


def describe(spec: DatasetSpec) -> Described:
    """What the images will be; looks at the names of sub-folders only.

    Raises:
        ConfigError: naming the key that is missing or wrong.
    """
    reading = Reading.of(spec)
    if spec.path is None:
        raise ConfigError("path: source: folder needs it: the folder with the pictures")
    path = Path(spec.path)
    if not path.is_dir():
        raise ConfigError(f"path: {path}: no such folder (looked in {Path.cwd()})")
    try:
        classes = _classes(path, spec)
    except OSError as error:
        raise ConfigError(f"path: {error.filename}: {error.strerror}") from error
    return Described(len(classes) or None, 256, reading.channels, reading.size)


def load(data_root: Path, spec: DatasetSpec) -> Loaded:
    """The pictures of all splits; `data_root` is not needed.

    Raises:
        DataError: naming pictures that cannot be read or taken, a folder without any, or a class that a split
            lacks.
    """
    path, reading = Path(str(spec.path)), Reading.of(spec)
    names = _classes(path, spec)
    chosen = _chosen(path, spec, names)
    total, done = sum(len(files) for files, _ in chosen.values()), 0
    progress = images_progress("reading pictures", sys.stderr)
    unreadable: dict[Path, str] = {}
    unfit: dict[str, list[Path]] = {}
    splits = {}
    for split, (files, labels) in chosen.items():
        images = Scratch((reading.channels, *reading.size))
        taken = np.ones(len(files), bool)
        for i, file in enumerate(files):
            try:
                images.add(reading.read(file)[None])
            except Unreadable as error:
                unreadable[file], taken[i] = str(error), False
            except Unfit as error:
                unfit.setdefault(str(error), []).append(file)  # and ends in an error below
            done += 1
            progress(done, total)
        splits[split] = Split(images.images(), np.array(labels, np.int64)[taken] if names else None)
    _complain(path, spec, unreadable, unfit)
    _check_classes(path, splits, names)
    return Loaded(splits, left_out=len(unreadable))


def _folders(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_dir() and not one.name.startswith("."))


def _given_splits(path: Path) -> list[str]:
    """Those splits that are sub-folders.

    Raises:
        ConfigError: if they cannot be meant so: without train, or with others beside them.
    """
    names = [folder.name for folder in _folders(path)]
    given = [split for split in SPLITS if split in names]
    others = [name for name in names if name not in SPLITS]
    if given and ("train" not in given or others):
        more = "there is no train" if "train" not in given else f"there is {others[0]}, too"
        raise ConfigError(
            f"path: {path}: has the sub-folder {given[0]}, and {more}; "
            "expected train, valid and test, or classes only"
        )
    return given


def _classes(path: Path, spec: DatasetSpec) -> list[str]:
    """The names of the classes; none without labels."""
    given = _given_splits(path)
    if spec.shares is not None and len(given) == len(SPLITS):
        raise ConfigError(f"shares: {path}: has the sub-folders train, valid and test: nothing is drawn")
    if not labels_asked(spec):
        return []
    above = [path / split for split in given] or [path]
    return sorted({folder.name for one in above for folder in _folders(one)})


def _pictures(path: Path) -> list[Path]:
    """All pictures in a folder and those below it, in the order of their names."""

    def unreadable(error: OSError) -> NoReturn:
        raise DataError(f"folder: {error.filename}: {error.strerror}") from error

    # Not by `rglob`, which passes over folders that cannot be read without a word.
    found = [Path(at, name) for at, _, names in os.walk(path, onerror=unreadable) for name in names]
    pictures = [p for p in found if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return sorted((p for p in pictures if p.is_file()), key=lambda p: p.relative_to(path).as_posix())


def _listed(path: Path, names: list[str]) -> Chosen:
    """The pictures below one folder, class after class."""
    if not names:
        files = _pictures(path)
        return files, [0] * len(files)
    beside = [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
    if beside:
        raise DataError(
            f"folder: {sorted(beside)[0]} lies beside the folders of the classes ({names[0]}, ...); "
            "move it into one, or say labels: none"
        )
    by_class = [_pictures(path / name) for name in names]
    every = [(file, label) for label, files in enumerate(by_class) for file in files]
    return [file for file, _ in every], [label for _, label in every]


def _chosen(path: Path, spec: DatasetSpec, names: list[str]) -> dict[str, Chosen]:
    """The pictures of each split."""
    given = _given_splits(path)
    found = {split: _listed(path / split, names) for split in given} or {"train": _listed(path, names)}
    empty = [path / split if given else path for split, (files, _) in found.items() if not files]
    if empty:
        raise DataError(f"folder: {empty[0]}: no pictures in it (looked for {', '.join(sorted(SUFFIXES))})")
    drawn = [split for split in SPLITS if split not in found]
    if not drawn:
        return found
    shares = dict(zip(SPLITS, spec.shares or SHARES, strict=True))
    drawn = ["train", *drawn]
    files, labels = found["train"]
    parts = stratified(
        np.array(labels, np.int64), names, [shares[s] for s in drawn], f"folder: {path}", spec.split_seed
    )
    for split, part in zip(drawn, parts, strict=True):
        found[split] = [files[i] for i in part], [labels[i] for i in part]
    return {split: found[split] for split in SPLITS}


def _complain(
    path: Path, spec: DatasetSpec, unreadable: Mapping[Path, str], unfit: Mapping[str, list[Path]]
) -> None:
    if unreadable and not spec.skip_unreadable:
        named = ", ".join(f"{file.relative_to(path)} ({why})" for file, why in sorted(unreadable.items()))
        raise DataError(
            f"folder: {path}: cannot read {named}; mend or remove them, or say skip_unreadable: true"
        )
    for why, files in unfit.items():
        first = ", ".join(str(file.relative_to(path)) for file in sorted(files)[:NAMED])
        more = f" and {len(files) - NAMED:,} more" if len(files) > NAMED else ""
        raise DataError(f"folder: {path}: {first}{more}: {why}")


def _check_classes(path: Path, splits: Mapping[str, Split], names: list[str]) -> None:
    for name, split in splits.items():
        if not len(split.images):
            raise DataError(f"folder: {path}: no picture of the {name} split can be read")
        if split.labels is not None:
            counts = np.bincount(split.labels, minlength=len(names))
            if not counts.all():
                missing = names[int(np.argmin(counts))]
                raise DataError(
                    f"folder: {path}: class {missing} has no picture in the {name} split; "
                    "each class needs some in every split, or say labels: none"
                )
