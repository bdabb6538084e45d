"""A folder of pictures: what is read of each kind, which split it goes to, and what is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.pictures import Reading, area
from pixelcnn.data.preparation import check_dataset, prepare
from pixelcnn.data.prepared import left_out_words, load_prepared, read_description, save
from pixelcnn.system.errors import ConfigError, DataError

RED, GREEN, GREY = (200, 0, 0), (0, 100, 0), (100, 100, 100)


def spec(path: Path, **keys) -> DatasetSpec:
    return DatasetSpec("folder", 2, path=str(path), **{"channels": 3, **keys})


def picture(file: Path, number: int = 0, size=(2, 2)) -> Path:
    """A PNG whose pixels are all `number`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), number, np.uint8)).save(file)
    return file


@pytest.fixture
def classes(tmp_path) -> Path:
    """Two classes, of 10 and 20 pictures that all differ."""
    for i in range(30):
        picture(tmp_path / ("cats" if i < 10 else "dogs") / f"{i:02}.png", i)
    return tmp_path


def test_a_split_is_drawn_class_by_class_in_the_shares_asked_for(classes):
    data = prepare(spec(classes), classes)
    for name, (cats, dogs) in {"train": (8, 16), "valid": (1, 2), "test": (1, 2)}.items():
        split = data.splits[name]
        assert np.bincount(split.labels).tolist() == [cats, dogs]
        assert (split.labels == (split.images[:, 0, 0, 0] >= 10)).all()
    assert data.repeated == {"valid in train": 0, "test in train": 0, "test in valid": 0}
    assert prepare(spec(classes), classes).sha256 == data.sha256
    assert prepare(spec(classes, split_seed=1), classes).sha256 != data.sha256
    halves = prepare(spec(classes, shares=(0.5, 0.25, 0.25), labels="none"), classes)
    assert [len(halves.splits[name].images) for name in ("train", "valid", "test")] == [15, 7, 8]
    assert halves.classes is None and halves.splits["train"].labels is None


def test_sub_folders_are_splits_and_one_that_lacks_is_drawn(tmp_path):
    for i in range(20):
        picture(tmp_path / "train" / "ab"[i % 2] / "deeper" / f"{i}.png", i)
    for i in range(2):
        picture(tmp_path / "test" / "ab"[i] / f"{i}.PNG", 100 + i)
    data = prepare(spec(tmp_path), tmp_path)
    assert data.splits["test"].images[:, 0, 0, 0].tolist() == [100, 101]
    assert len(data.splits["valid"].images) == 2 and data.splits["train"].images.max() < 20
    (tmp_path / "others").mkdir()
    with pytest.raises(ConfigError, match="has the sub-folder train, and there is others, too"):
        check_dataset(spec(tmp_path))


def read(file: Path, channels: int = 3, **keys) -> list:
    return Reading.of(spec(file, channels=channels, **keys)).read(file).tolist()


def test_pictures_of_all_kinds(tmp_path):
    file = tmp_path / "a.png"
    pixels = np.array([[RED, GREEN], [GREY, GREY]], np.uint8)
    colours = pixels.transpose(2, 0, 1).tolist()
    Image.fromarray(pixels).save(file)
    assert read(file) == colours
    assert read(file, 1) == [[[60, 59], [100, 100]]]  # 0.299 R + 0.587 G + 0.114 B
    Image.fromarray(pixels).quantize(3).save(file)
    assert Image.open(file).mode == "P" and read(file) == colours
    Image.fromarray(np.array([[0, 255], [256, 65535]], np.uint16)).save(file)
    assert read(file, 1) == [[[0, 0], [1, 255]]]
    half = np.dstack([pixels, np.array([[255, 0], [128, 255]], np.uint8)])
    Image.fromarray(half).save(file)
    assert read(file, background="#ffff00")[0] == [[200, 255], [177, 100]]  # 255 - 155 * 128 / 255
    turned = Image.Exif()
    turned[0x0112] = 6  # stored a quarter turn to the left
    Image.fromarray(pixels).save(tmp_path / "a.webp", lossless=True, exif=turned)
    assert read(tmp_path / "a.webp")[0] == [[100, 200], [100, 0]]


def test_cut_to_the_middle_and_averaged_by_area(tmp_path):
    wide = np.arange(4 * 8, dtype=np.uint8).reshape(1, 4, 8) * 5
    means = wide[:, :, 2:6].reshape(1, 2, 2, 2, 2).mean(axis=(2, 4))
    both = Reading(1, (2, 2), crop="center", resize="area")
    assert (both.fitted(wide) == np.rint(means)).all()
    assert (Reading(1, (2, 2), crop="center").fitted(wide) == wide[:, 1:3, 3:5]).all()
    # From three pixels to two: each is one and a half, by repeating every pixel four times.
    odd = np.random.default_rng(0).integers(0, 256, (3, 3, 5), dtype=np.uint8)
    repeated = odd.repeat(4, axis=1).repeat(4, axis=2).reshape(3, 2, 6, 4, 5).mean(axis=(2, 4))
    assert (area(odd, (2, 4)) == np.rint(repeated)).all()


UNREADABLE = "mend or remove them, or say skip_unreadable: true"


def test_all_that_cannot_be_read_is_named_at_once_or_left_out_and_counted(classes):
    (classes / "cats" / "empty.png").touch()
    (classes / "dogs" / "text.jpg").write_text("no picture", encoding="utf-8")
    whole = picture(classes / "dogs" / "cut.png", 3, (50, 50)).read_bytes()
    (classes / "dogs" / "cut.png").write_bytes(whole[:60])
    frames = [Image.new("L", (2, 2), i) for i in (0, 255)]
    frames[0].save(classes / "dogs" / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (2, 2)).save(classes / "dogs" / "print.jpg")
    with pytest.raises(DataError) as error:
        prepare(spec(classes), classes)
    for said in (
        "cats/empty.png (empty)", "dogs/text.jpg (no picture that Pillow knows)", "dogs/cut.png (",
        "dogs/moving.gif (an animation", "dogs/print.jpg (colours of the kind CMYK", UNREADABLE,
    ):  # fmt: skip
        assert said in str(error.value)
    data = prepare(spec(classes, skip_unreadable=True), classes)
    assert sum(len(split.images) for split in data.splits.values()) == 30
    save(data, classes / "data.npz")
    assert load_prepared(classes / "data.npz").left_out == 5
    said = left_out_words(read_description(classes / "data.npz"))
    assert said == ["5 files could not be read and left out"]


@pytest.mark.parametrize(
    ("change", "keys", "said"),
    [
        (None, {"channels": None}, "channels: source: folder needs channels: 1 (grey) or 3 (colour)"),
        (None, {"channels": 4}, "folder needs channels: 1 (grey) or 3 (colour), got 4"),
        (None, {"path": None}, "path: source: folder needs it"),
        (None, {"path": "no/such"}, "path: no/such: no such folder"),
        (None, {"image_size": None}, "image_size: source: folder needs it"),
        (None, {"background": "whitish"}, "background: expected a colour such as white or '#ffffff'"),
        (None, {"source": "mnist5k"}, "path: source: mnist5k does not take this key"),
        (lambda at: picture(at / "x.png"), {}, "x.png lies beside the folders of the classes (cats, ...)"),
        (
            lambda at: picture(at / "cats/x.png", 0, (4, 6)),
            {},
            "x.png: 4x6 and not 2x2 (height x width)",
        ),
        (lambda at: picture(at / "cats/x.png", 0, (4, 6)), {"resize": "area"}, "nor of its shape: say crop"),
        (lambda at: picture(at / "cats/x.png", 0, (1, 6)), {}, "1x6 and not 2x2 (height x width): choose a"),
        (lambda at: picture(at / "few/x.png"), {}, "class few has 1 images, too few for 3 splits"),
        (lambda at: (at / "none").mkdir(), {}, "class none has no picture in the train split"),
        (lambda at: Image.new("RGBA", (2, 2)).save(at / "cats/x.png"), {}, "cats/x.png: transparent: say"),
    ],
)
def test_what_is_refused_by_name(classes, change, keys, said):
    if change is not None:
        change(classes)
    with pytest.raises((ConfigError, DataError), match=re.escape(said)):
        prepare(DatasetSpec(**{**vars(spec(classes)), **keys}), classes)


def test_a_folder_of_folders_without_pictures(tmp_path):
    (tmp_path / "pictures" / "a" / "b").mkdir(parents=True)
    (tmp_path / "pictures" / "a" / "notes.txt").write_text("none", encoding="utf-8")
    with pytest.raises(DataError, match=r"pictures: no pictures in it \(looked for .*\.png"):
        prepare(spec(tmp_path / "pictures"), tmp_path)
