"""Images that stand in two splits are counted, and said wherever the data are described."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.reports import report_of
from support.toy import toy

from benchmarks import made_up
from pixelcnn.cli import main
from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.preparation import prepare
from pixelcnn.data.prepared import load_prepared, read_description, save
from pixelcnn.data.repeated import repeated_words
from pixelcnn.results.folder import folder_of

#: Training images 0 to 9, validation 8 to 12, test 9 and 12 to 15: pairs of equal pixels.
MODULE = """
import numpy as np
from pixelcnn.data.contract import Split
CLASSES, LEVELS, SIZE = None, 256, 2
def image(i):
    return [[[10 * i, 10 * i + {spread}], [0, 255]]]
def load(data_root, split_seed):
    parts = {{"train": range(10), "valid": range(8, 13), "test": [9, 12, 12, 13, 14, 15]}}
    return {{name: Split([image(i) for i in part]) for name, part in parts.items()}}
"""


def data(folder: Path, spread: int = 1, **asked):
    (folder / "mine.py").write_text(MODULE.format(spread=spread), encoding="utf-8")
    return prepare(DatasetSpec(str(folder / "mine.py"), **asked), folder)


def test_images_of_one_split_that_are_in_another_are_counted(tmp_path):
    assert data(tmp_path).repeated == {"valid in train": 2, "test in train": 1, "test in valid": 3}


def test_they_are_compared_as_a_model_sees_them(tmp_path):
    """Two levels leave two kinds of these images: those from 13 on, and all others."""
    binary = data(tmp_path, levels=2, binarize="threshold")
    assert binary.repeated == {"valid in train": 5, "test in train": 3, "test in valid": 3}
    assert {tuple(i.ravel()) for i in binary.splits["train"].images} == {(0, 0, 0, 1)}
    pooled = data(tmp_path, image_size=1)
    assert pooled.repeated["test in train"] == 1


def test_of_images_that_are_drawn_the_intensities_are_compared(tmp_path):
    assert data(tmp_path, levels=2, binarize="stochastic").repeated == data(tmp_path).repeated


def test_the_default_digits_stand_in_one_split_each(tmp_path):
    """By another way: the rows of a matrix that are left when equal ones are merged."""
    digits = prepare(DatasetSpec("mnist5k", image_size=14, levels=16), tmp_path)
    rows = np.concatenate([split.images.reshape(-1, 196) for split in digits.splits.values()])
    assert len(np.unique(rows, axis=0)) == 5000
    assert digits.repeated == {"valid in train": 0, "test in train": 0, "test in valid": 0}


def test_the_file_keeps_the_counts_and_their_digest_is_that_of_the_images_alone(tmp_path):
    prepared = data(tmp_path)
    save(prepared, tmp_path / "data.npz")
    assert load_prepared(tmp_path / "data.npz").repeated == prepared.repeated
    with np.load(tmp_path / "data.npz") as file:
        arrays = dict(file)
    description = json.loads(str(arrays["description"]))
    del description["repeated"]  # as files have it that were written before
    np.savez(tmp_path / "data.npz", **arrays | {"description": np.array(json.dumps(description))})
    older = load_prepared(tmp_path / "data.npz")
    assert older.repeated is None and older.sha256 == prepared.sha256
    assert repeated_words(read_description(tmp_path / "data.npz")) == []


def test_preparing_says_how_many_there_are(folder, capsys):
    Path("mine.py").write_text(MODULE.format(spread=1), encoding="utf-8")
    toy(folder, datasets={"toy": {"source": "mine.py"}}, variants={"base": {"model": "pixelcnn"}})
    assert main(["prepare", "toy.yaml"]) == 0
    said = capsys.readouterr().out
    for words in (
        "2 of 5 validation images are training images, too, pixel by pixel",
        "1 of 6 test images are training images, too, pixel by pixel",
        "3 of 6 test images are validation images, too, pixel by pixel",
    ):
        assert f"results/toy/toy/data.npz: {words}\n" in said


@pytest.mark.parametrize("count", [None, 0, 3])
def test_the_report_warns_of_test_images_that_were_trained_on(tmp_path, count):
    made = made_up.benchmark(tmp_path, seeds=[0], variants={"plain": {"model": "pixelcnn"}})
    made_up.write_run(made, made.runs()[0])
    path = folder_of(made).dataset("digits").data
    with np.load(path) as file:
        arrays = dict(file)
    description = json.loads(str(arrays["description"])) | {"counts": {"train": 200, "valid": 40, "test": 60}}
    description["repeated"] = count if count is None else {"valid in train": 0, "test in train": count}
    np.savez_compressed(path, **arrays | {"description": np.array(json.dumps(description))})
    report = report_of(made)
    said = "digits: 3 of 60 test images are training images, too, pixel by pixel; whoever has them by heart"
    for text in (report.page, report.markdown):
        assert (said in text) == bool(count) and ("training images, too" in text) == bool(count)
