"""CelebA and ImageNet32, from tiny files in their original formats."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data import pickles
from pixelcnn.data.preparation import check_dataset, prepare
from pixelcnn.data.recipe import Recipe
from pixelcnn.data.sources import celeba, imagenet32
from pixelcnn.system.errors import ConfigError, DataError, UserError

# ------------------------------------------------------------------------------ CelebA

#: Of which split each picture is, and who smiles.
PARTS, SMILES = (0, 0, 1, 2, 2), (1, -1, 1, 1, -1)


@pytest.fixture
def faces(tmp_path, monkeypatch) -> Path:
    """Five pictures whose kept part is grey 10 i, but for its first row, which is 200; all else is 255."""
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{i + 1:06}.jpg" for i in range(len(PARTS))]
    for i, name in enumerate(names):
        pixels = np.full((218, 178, 3), 255, np.uint8)
        pixels[40:188, 15:163] = 10 * i
        pixels[40, 15:163] = 200
        Image.fromarray(pixels).save(folder / "img_align_celeba" / name, "PNG")  # by its content: no loss
    smiling = celeba.ATTRIBUTES.index("Smiling")
    marks = [[-1] * smiling + [smile] + [-1] * (39 - smiling) for smile in SMILES]
    lines = [f"{name} {' '.join(map(str, mark))}" for name, mark in zip(names, marks, strict=True)]
    text = "\n".join(["5", " ".join(celeba.ATTRIBUTES) + " ", *lines]) + "\n"
    (folder / celeba.ATTRIBUTE_LIST).write_text(text, encoding="ascii")
    parts = "".join(f"{name} {part}\n" for name, part in zip(names, PARTS, strict=True))
    (folder / celeba.PARTITION).write_text(parts, encoding="ascii")
    sums = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in celeba.MD5}
    monkeypatch.setattr(celeba, "MD5", sums)
    return tmp_path


def test_faces_are_cut_and_averaged_and_split_as_published(faces):
    data = prepare(DatasetSpec("celeba", 37, labels="Smiling"), faces)  # 148 = 4 x 37
    assert data.shape == (3, 37, 37) and data.classes == 2
    for split, numbers in {"train": (0, 1), "valid": (2,), "test": (3, 4)}.items():
        found = data.splits[split]
        assert found.images[:, 0, 1, 36].tolist() == [10 * i for i in numbers]
        assert found.images[:, 2, 0, 0].tolist() == [round((200 + 3 * 10 * i) / 4) for i in numbers]
        assert found.images.max() < 255
        assert found.labels.tolist() == [int(SMILES[i] > 0) for i in numbers]
    train = sorted((faces / "celeba" / "img_align_celeba").iterdir())[:2]
    recipe = Recipe.of(data.spec, 3, 37, 37)
    assert (recipe.read(train) == data.splits["train"].images).all()
    assert "those of 218x178 cut to the face and averaged to 37x37, those of 37x37 as" in recipe.said()
    with pytest.raises(UserError, match=r"2x2 \(height x width\), expected 218x178 or 37x37"):
        recipe.images(np.zeros((1, 3, 2, 2), np.uint8))
    bare = prepare(DatasetSpec("celeba", levels=32), faces)
    assert bare.shape == (3, 64, 64) and bare.classes is None and bare.splits["test"].images.max() < 32


def test_what_celeba_does_not_have_is_refused_by_name(faces):
    for keys, said in (
        ({"labels": "Smile"}, r"labels: celeba has no attribute 'Smile'; expected none or one of 5_o_Clock"),
        ({"image_size": (64, 32)}, "image_size: source: celeba gives squares up to 148"),
        ({"image_size": 160}, "image_size: source: celeba gives squares up to 148"),
        ({"crop": "center"}, "crop: source: celeba does not take this key"),
    ):
        with pytest.raises(ConfigError, match=said):
            check_dataset(DatasetSpec("celeba", **keys))
    with pytest.raises(DataError, match=r"list_eval_partition\.txt is missing\. Put .*PIXELCNN_DATA_ROOT"):
        prepare(DatasetSpec("celeba"), faces / "elsewhere")
    picture = faces / "celeba" / "img_align_celeba" / "000003.jpg"
    Image.new("RGB", (178, 200)).save(picture, "PNG")
    with pytest.raises(DataError, match=r"000003\.jpg: 200x178 \(height x width\), expected 218x178"):
        prepare(DatasetSpec("celeba"), faces)
    picture.write_bytes(picture.read_bytes()[:50])
    with pytest.raises(DataError, match=r"cannot read .*000003\.jpg \(.*unpack img_align_celeba\.zip anew"):
        prepare(DatasetSpec("celeba"), faces)
    picture.unlink()
    with pytest.raises(DataError, match=r"lacks 1 of 5 pictures, such as 000003\.jpg"):
        prepare(DatasetSpec("celeba"), faces)
    with (faces / "celeba" / celeba.PARTITION).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(DataError, match=r"list_eval_partition\.txt is truncated or altered"):
        prepare(DatasetSpec("celeba"), faces)


# ------------------------------------------------------------------------------ ImageNet32

IMAGES = np.random.default_rng(0).integers(0, 256, (23, 3, 32, 32), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(1, 1001, 23)


@pytest.fixture
def few(tmp_path, monkeypatch) -> Path:
    """Two images in each training file and three in the other, in every way in which they are written."""
    monkeypatch.setattr(imagenet32, "COUNTS", {imagenet32.TRAIN: 20, imagenet32.TEST: 3})
    monkeypatch.setattr(imagenet32, "VALID_IMAGES", 3)
    folder = tmp_path / "imagenet32"
    folder.mkdir()
    for i, name in enumerate((*imagenet32.TRAIN, *imagenet32.TEST)):
        part = slice(2 * i, 2 * i + 2 if i < 10 else 23)
        rows, mean = IMAGES[part].reshape(-1, 3072), np.zeros(3072)
        content = {"data": rows, "labels": LABELS[part].tolist(), "mean": mean}
        if i < 6:
            (folder / name).write_bytes(pickle.dumps(content, protocol=i))
        else:
            (np.savez, np.savez_compressed)[i % 2](folder / f"{name}.npz", **content)
    return tmp_path


def test_imagenet32_from_pickled_and_numpy_files(few):
    splits = imagenet32.load(few, 0)
    for name, part in {"train": slice(0, 17), "valid": slice(17, 20), "test": slice(20, 23)}.items():
        assert (splits[name].images == IMAGES[part]).all()
        assert splits[name].labels.tolist() == (LABELS[part] - 1).tolist()


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("executed",)


class Named:
    """By the global `numpy.load`, which could read other files."""

    def __reduce__(self):
        return np.load, ("other.npy",)


class Reduced:
    """Whatever a pickle may say of an object."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def test_a_pickle_changes_no_type_of_this_process_and_takes_no_memory_that_is_not_there(tmp_path):
    file = tmp_path / "a"
    of_objects = (3, "|", None, None, None, -1, -1, 63)  # flags, as if the numbers were Python objects
    file.write_bytes(pickle.dumps(Reduced(np.dtype, ("u1", False, False), of_objects)))
    pickles.read(file)
    assert not np.dtype("u1").hasobject
    for hostile in (Reduced(np.ndarray, ((2**50,),)), np.array([None]), np.array(["text"])):
        file.write_bytes(pickle.dumps(hostile))
        with pytest.raises(pickles.DAMAGED):
            pickles.read(file)
    given = [np.arange(6).reshape(2, 3).astype(kind) for kind in (">i2", "<f8", "?")]
    for protocol in range(6):
        file.write_bytes(pickle.dumps([*given, np.asfortranarray(given[0])], protocol=protocol))
        found = pickles.read(file)
        assert all(np.array_equal(a, b) for a, b in zip(found, [*given, given[0]], strict=True))


def test_damaged_and_hostile_files_are_refused_and_execute_nothing(few, monkeypatch):
    monkeypatch.chdir(few)
    file = few / "imagenet32" / "train_data_batch_2"
    whole, rows = file.read_bytes(), np.zeros((2, 3072), np.uint8)
    expected = "train_data_batch_2: expected "
    for content, said in (
        (whole[:500], "train_data_batch_2 is truncated or damaged"),
        (pickle.dumps({"data": Hostile(), "labels": [1]}), "it names posix.mkdir, which arrays do not need"),
        (pickle.dumps([Named()]), "which arrays do not need"),
        (pickle.dumps([rows]), "train_data_batch_2 is truncated or damaged"),
        (pickle.dumps({"data": rows[:, :9], "labels": [1, 1]}), expected + "data, uint8"),
        (pickle.dumps({"data": rows, "labels": [1, 1, 1]}), expected + "data, uint8"),
        (pickle.dumps({"data": rows, "labels": [0, 1000]}), expected + "labels from 1 to 1000"),
        (pickle.dumps({"data": rows, "labels": [1, 1001]}), expected + "labels from 1 to 1000"),
        (pickle.dumps({"data": rows[:1], "labels": [1]}), "have 19 images, expected 20"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=said):
            imagenet32.load(few, 0)
    np.savez(file.with_suffix(".npz"), data=np.array([Hostile()], object), labels=[1])
    with pytest.raises(DataError, match=r"train_data_batch_2\.npz is truncated or damaged: .*objects"):
        imagenet32.load(few, 0)
    assert not (few / "executed").exists()
    file.with_suffix(".npz").unlink()
    file.unlink()
    with pytest.raises(DataError, match=r"neither .*train_data_batch_2\.npz nor .*PIXELCNN_DATA_ROOT"):
        imagenet32.load(few, 0)
