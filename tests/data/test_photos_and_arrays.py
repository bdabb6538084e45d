"""Patches of photographs that share no pixel between splits, and images from arrays of one's own."""

from __future__ import annotations

import dataclasses
import itertools
import re

import numpy as np
import pytest

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.preparation import prepare
from pixelcnn.data.sources import photos
from pixelcnn.system.errors import ConfigError, DataError


def test_patches_of_two_splits_lie_sixteen_columns_apart(monkeypatch, tmp_path):
    """Photographs whose pixels say in which column they are."""
    columns = np.arange(640, dtype=np.uint16).repeat(427).reshape(640, 427).T
    monkeypatch.setattr(photos, "_photograph", lambda *_: np.stack([columns] * 3))
    found = {n: np.unique(split.images).astype(int) for n, split in photos.load(tmp_path, 0).items()}
    assert {name: len(columns) for name, columns in found.items()} == {"train": 288, "valid": 96, "test": 96}
    for one, other in itertools.combinations(found.values(), 2):
        assert np.abs(np.subtract.outer(one, other)).min() - 1 == 16


def test_the_photographs_as_they_are_prepared(tmp_path):
    data = prepare(DatasetSpec("photos"), tmp_path)
    assert data.shape == (3, 16, 16) and data.classes == 2
    assert {name: len(split.images) for name, split in data.splits.items()} == {
        "train": 2 * 3 * 11 * 52, "valid": 2 * 6 * 26, "test": 2 * 6 * 26,
    }  # fmt: skip
    assert set(data.repeated.values()) == {0}


IMAGES = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 6), dtype=np.uint8)
LABELS = np.arange(40) % 2


def array(folder, axes="NCHW", **arrays) -> DatasetSpec:
    np.savez(folder / "a.npz", **arrays)
    return DatasetSpec("array", path=str(folder / "a.npz"), axes=axes)


def test_arrays_with_their_axes_in_any_order(tmp_path):
    first = prepare(array(tmp_path, images=IMAGES, labels=LABELS), tmp_path)
    assert first.shape == (3, 4, 6) and first.classes == 2
    counts = [np.bincount(first.splits[name].labels).tolist() for name in ("train", "test")]
    assert counts == [[16, 16], [2, 2]]
    last = array(tmp_path, "NHWC", images=IMAGES.transpose(0, 2, 3, 1), labels=LABELS)
    assert prepare(last, tmp_path).sha256 == first.sha256
    wide = array(tmp_path, images=IMAGES * np.uint16(256) + np.uint16(255), labels=LABELS)
    assert prepare(wide, tmp_path).sha256 == first.sha256
    # As a resolved config has it; a resolved one of other images is no description of these.
    assert prepare(dataclasses.replace(wide, channels=3), tmp_path).shape == (3, 4, 6)
    with pytest.raises(ConfigError, match="channels: source: array has 3, not 2"):
        prepare(dataclasses.replace(wide, channels=2), tmp_path)
    np.save(tmp_path / "a.npy", IMAGES[:, 0])
    grey = prepare(DatasetSpec("array", path=str(tmp_path / "a.npy"), axes="NHW"), tmp_path)
    assert grey.shape == (1, 4, 6) and grey.classes is None
    given = {f"{name}_images": IMAGES[i : i + 5] for i, name in enumerate(("train", "valid", "test"))}
    assert (prepare(array(tmp_path, **given), tmp_path).splits["test"].images == IMAGES[2:7]).all()


@pytest.mark.parametrize(
    ("arrays", "keys", "said"),
    [
        ({"images": IMAGES / 255}, {}, "images: expected uint8 or uint16, got float64 [40, 3, 4, 6]"),
        ({"images": IMAGES}, {"axes": "NHW"}, "axes: {}: images: NHW needs an array of 3 axes, got uint8"),
        ({"images": IMAGES.repeat(3, 3)}, {"axes": "NHWC"}, "should have images of 1 to 16 channels, got"),
        ({"images": IMAGES, "labels": LABELS[1:]}, {}, "labels: expected 40 whole numbers from 0 on"),
        ({"pictures": IMAGES}, {}, "path: {}: has pictures; expected images, or train_images"),
        ({"images": IMAGES, "labels": LABELS * 0 + np.eye(40, dtype=int)[0]}, {},
            "class 1 has 1 images, too few for 3 splits"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, keys, said):
    with pytest.raises((ConfigError, DataError), match=re.escape(said.format(tmp_path / "a.npz"))):
        prepare(array(tmp_path, **arrays, **keys), tmp_path)
