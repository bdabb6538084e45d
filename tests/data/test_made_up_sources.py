"""Datasets of a few made-up pixels: prepared, refused and read back, by hand."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pixelcnn.config.fields import without_absent
from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import find_source
from pixelcnn.data.images import draw_binary
from pixelcnn.data.preparation import prepare
from pixelcnn.data.prepared import PreparedData, load_prepared, read_description, save
from pixelcnn.system.code_digest import own_files
from pixelcnn.system.errors import ConfigError, DataError

SOURCE = """
import numpy as np
from pixelcnn.data.contract import Split
CLASSES, LEVELS, SIZE = {classes}, {levels}, {size}
def load(data_root, split_seed):
    raw = np.load(data_root / "raw.npz")
    return {{name: Split(raw[name], raw.get(name + "_labels")) for name in ("train", "valid", "test")}}
"""


def source(folder: Path, images, labels=None, *, classes=None, levels=256, size=None) -> str:
    """A dataset whose three splits are these images (and labels)."""
    arrays = {name: np.array(images) for name in ("train", "valid", "test")}
    if labels is not None:
        arrays |= {f"{name}_labels": np.array(labels) for name in ("train", "valid", "test")}
    np.savez(folder / "raw.npz", **arrays)
    file = folder / "made_up.py"
    size = size or np.array(images).shape[-2:]
    file.write_text(SOURCE.format(classes=classes, levels=levels, size=size), encoding="utf-8")
    return str(file)


def grey(*images) -> np.ndarray:
    """uint8 images of one channel, from rows of pixels."""
    return np.array(images, np.uint8)[:, None]


FOUR = grey([[10, 11, 250, 251], [10, 11, 252, 255], [0, 1, 7, 7], [0, 1, 7, 7]])


# ------------------------------------------------------------------------------ pixels


def test_pooling_averages_squares_and_rounds_half_to_even(tmp_path):
    name = source(tmp_path, FOUR)
    pooled = prepare(DatasetSpec(name, image_size=2), tmp_path).splits["valid"].images
    assert pooled.dtype == np.uint8  # 42/4 = 10.5 goes to 10, 1008/4 = 252, 2/4 = 0.5 to 0
    assert pooled.tolist() == [[[[10, 252], [0, 7]]]]


def test_levels_are_shares_of_the_range_rounded_down(tmp_path):
    name = source(tmp_path, FOUR)
    images = prepare(DatasetSpec(name, levels=100), tmp_path).splits["test"].images
    assert images.dtype == np.uint8
    assert images.tolist() == [[[[int(v * 100 / 256) for v in row] for row in FOUR[0, 0].tolist()]]]


def test_a_binary_pixel_is_one_where_its_noise_is_below_its_intensity():
    class Noise:
        def random(self, shape, dtype):
            return np.array([0, 0, 0.5, 0.5, 0.9999, 0.9999], dtype)

    intensity = np.array([0, 1, 127, 128, 254, 255], np.uint8)
    drawn = draw_binary(intensity, Noise())
    assert drawn.dtype == np.uint8 and drawn.tolist() == [0, 1, 0, 1, 0, 1]


def test_validation_and_test_images_are_drawn_with_noise_of_their_own(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (7, 1, 4, 4), dtype=np.uint8)
    name = source(tmp_path, images)
    data = prepare(DatasetSpec(name, None, 2, "stochastic", split_seed=6), tmp_path)
    assert data.train_is_intensity and (data.splits["train"].images == images).all()
    for number, split in ((1, "valid"), (2, "test")):
        noise = np.random.default_rng([6, number]).random(images.shape, dtype=np.float32)
        assert (data.splits[split].images == (noise < images / np.float32(255))).all()


# ------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (FOUR / 255, None, "expected uint8 images [N, C, 4, 4], got float64 [1, 1, 4, 4] from 0 to 1"),
        (FOUR > 9, None, "expected uint8 images [N, C, 4, 4], got bool [1, 1, 4, 4]"),
        (FOUR.astype(int) * 10, None, "pixel 2550 is out of range 0..199"),
        (FOUR.astype(int) - 9, None, "pixel -9 is out of range 0..199"),
        (FOUR[:, :, :3], None, "expected uint8 images [N, C, 4, 4], got uint8 [1, 1, 3, 4]"),
        (FOUR[0], None, "expected uint8 images [N, C, 4, 4], got uint8 [1, 4, 4]"),
        (FOUR[:0], None, "has no images"),
        (np.full((1, 1, 4, 4), 200, np.uint8), None, "pixel 200 is out of range 0..199"),
        (FOUR // 2, [3], "label 3 is out of range 0..2"),
        (FOUR // 2, [-1], "label -1 is out of range 0..2"),
        (FOUR // 2, [[1]], "expected one label for each of 1 images, got shape [1, 1]"),
    ],
)
def test_a_split_that_does_not_keep_its_promise_is_refused(tmp_path, images, labels, said):
    name = source(tmp_path, images, labels, classes=labels and 3, levels=200, size=4)
    with pytest.raises(DataError, match=f"^{re.escape(f'{name}: split train: {said}')}$"):
        prepare(DatasetSpec(name, levels=200), tmp_path)


def test_one_image_with_the_highest_pixel_and_label_is_enough(tmp_path):
    name = source(tmp_path, grey([[199, 0], [0, 0]]), [2], classes=3, levels=200)
    data = prepare(DatasetSpec(name, levels=200), tmp_path)
    assert data.splits["train"].images.max() == 199 and data.splits["train"].labels.tolist() == [2]


def test_a_source_without_classes_has_no_labels(tmp_path):
    name = source(tmp_path, FOUR, [1])
    splits = prepare(DatasetSpec(name), tmp_path).splits
    assert all(s.labels is None and (s.images == FOUR).all() for s in splits.values())


def test_colour_images_that_are_no_squares(tmp_path):
    image = np.arange(3 * 4 * 6, dtype=np.uint8).reshape(1, 3, 4, 6) * 3
    name = source(tmp_path, image)
    with open(name, "a", encoding="utf-8") as file:
        file.write("CHANNELS = 3\n")
    spec = DatasetSpec(name, image_size=(2, 3))
    data = prepare(spec, tmp_path)
    assert data.shape == (3, 2, 3) and data.dims == 18
    wanted = [[[image[0, c, 2 * r : 2 * r + 2, 2 * k : 2 * k + 2].sum() / 4 for k in range(3)]
               for r in range(2)] for c in range(3)]  # fmt: skip
    assert data.splits["test"].images[0].tolist() == np.rint(wanted).tolist()
    save(data, tmp_path / "data.npz")
    back = load_prepared(tmp_path / "data.npz")
    assert back.splits["test"].images.shape == (1, 3, 2, 3) and back.spec == spec
    with pytest.raises(ConfigError, match=r"image_size: \[3, 2\] does not divide \[4, 6\]"):
        prepare(DatasetSpec(name, image_size=(3, 2)), tmp_path)


BINARY = "levels: {} is binary: it needs levels: 2, no binarize and no other image_size"


@pytest.mark.parametrize(
    ("levels", "asked", "said"),
    [
        (2, {"levels": 2}, None),
        (2, {"levels": 2, "image_size": 4}, None),
        (2, {"levels": 3}, BINARY),
        (2, {"levels": 2, "binarize": "threshold"}, BINARY),
        (2, {"levels": 2, "image_size": 2}, BINARY),
        (3, {"levels": 3}, None),
        (3, {"levels": 2, "binarize": "threshold"}, None),
        (3, {"levels": 4}, "levels: 4 is more than the 3 of {}"),
        (255, {"levels": 2, "binarize": "stochastic"},
            "binarize: stochastic needs 256 levels; {} has 255"),
        (256, {"levels": 2}, "binarize: levels: 2 needs binarize: threshold or binarize: stochastic"),
        (256, {"levels": 2, "binarize": "threshold", "image_size": 2}, None),
        (256, {"image_size": 3},
            "image_size: 3 does not divide 4, the size of {}; average pooling needs a whole factor"),
    ],
)  # fmt: skip
def test_what_may_be_asked_of_a_source(tmp_path, levels, asked, said):
    name = source(tmp_path, FOUR // 128, levels=levels)
    if said is None:
        size = asked.get("image_size", 4)
        assert prepare(DatasetSpec(name, **asked), tmp_path).shape == (1, size, size)
        return
    with pytest.raises(ConfigError, match=f"^{re.escape(said.format(name))}$"):
        prepare(DatasetSpec(name, **asked), tmp_path)


@pytest.mark.parametrize("lacking", ["CLASSES", "LEVELS", "SIZE", "load"])
def test_a_module_that_lacks_a_name_is_no_source(tmp_path, lacking):
    file = tmp_path / "made_up.py"
    file.write_text(SOURCE.format(classes=1, levels=2, size=3).replace(lacking, "other"), encoding="utf-8")
    said = f"source: {file} defines no {lacking}; a dataset module needs it"
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        find_source(str(file))


def test_a_source_that_there_is_not_is_named():
    with pytest.raises(ConfigError, match=r"^source: 'emnist' is not known; expected one of .*mnist5k"):
        find_source("emnist")


# ------------------------------------------------------------------------------ the file


@pytest.fixture
def data(tmp_path) -> PreparedData:
    images = np.array([[[[0, 1]] * 2], [[[2, 3]] * 2], [[[1, 1]] * 2]], np.uint8)
    name = source(tmp_path, images, [0, 1, 1], classes=2, levels=4)
    return prepare(DatasetSpec(name, levels=4, split_seed=9), tmp_path)


def test_the_digest_is_that_of_description_images_and_labels(data):
    content = json.dumps([4, 2, False]).encode()
    for _ in range(3):
        content += b"(3, 1, 2, 2)" + bytes([0, 1, 0, 1, 2, 3, 2, 3, 1, 1, 1, 1])
        content += b"".join(label.to_bytes(8, "little") for label in (0, 1, 1))
    assert data.sha256 == hashlib.sha256(content).hexdigest()


def test_what_the_file_says_of_the_data(data, tmp_path):
    save(data, tmp_path / "data.npz")
    code = list(own_files(data.spec.source).values())
    described = json.dumps(
        without_absent(data.spec) | {"source": code}, sort_keys=True, separators=(",", ":")
    )
    assert read_description(tmp_path / "data.npz") == {
        "format": 2,
        "shape": [1, 2, 2],
        "levels": 4,
        "classes": 2,
        "counts": {"train": 3, "valid": 3, "test": 3},
        "train_is_intensity": False,
        "sha256": data.sha256,
        "left_out": 0,
        "repeated": {"valid in train": 3, "test in train": 3, "test in valid": 3},
        "spec": {
            "source": data.spec.source,
            "image_size": None,
            "levels": 4,
            "binarize": None,
            "split_seed": 9,
        },
        "digest": hashlib.sha256(described.encode()).hexdigest()[:16],
    }


@pytest.mark.parametrize("labelled", [True, False])
def test_the_file_gives_back_all_that_went_in(data, tmp_path, labelled):
    if not labelled:
        (other := tmp_path / "other").mkdir()
        data = prepare(DatasetSpec(source(other, FOUR), None, 2, "stochastic"), other)
    save(data, tmp_path / "data.npz")
    back = load_prepared(tmp_path / "data.npz")
    for name, split in data.splits.items():
        assert (back.splits[name].images == split.images).all()
        if labelled:
            assert back.splits[name].labels.tolist() == split.labels.tolist()
        else:
            assert back.splits[name].labels is None
    assert replace(back, splits={}) == replace(data, splits={})
    assert back.train_is_intensity != labelled


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_code_in_a_file_is_not_executed(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data.npz"
    save(data, path)
    arrays = dict(np.load(path))
    for name in ("test_images", "description"):
        np.savez(path, **{**arrays, name: np.array([Malicious()], object)})
        said = rf"^{re.escape(str(path))}: damaged prepared data \(.*\); delete it and prepare it again$"
        with pytest.raises(DataError, match=said):
            load_prepared(path)
    assert not (tmp_path / "executed").exists()
