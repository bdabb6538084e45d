"""What a user's own dataset module may hold and give: taken where the meaning is plain, else one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.toy import toy

from pixelcnn.cli import main
from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.preparation import prepare

MODULE = """import numpy as np
import torch
from pixelcnn.data.contract import Split

CLASSES = 3
LEVELS = 8
SIZE = 4

def images(n=6):
    return (np.arange(n * 16) % 8).reshape(n, 1, 4, 4).astype(np.uint8)

def labels(n=6):
    return np.arange(n) % 3

def load(data_root, split_seed):
    given = Split(images(), labels())
    return {"train": given, "valid": given, "test": given}
"""
GIVEN = "Split(images(), labels())"
RETURN = '{"train": given, "valid": given, "test": given}'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (GIVEN, "Split(images(), labels().tolist())"),
        (GIVEN, "Split(images(), torch.from_numpy(labels()))"),
        (GIVEN, "Split(images(), labels().astype(np.uint8))"),
        (GIVEN, "Split(images().tolist(), labels())"),
        (GIVEN, "Split(torch.from_numpy(images()), labels())"),
        (GIVEN, "Split(torch.from_numpy(images()).long(), labels())"),
        (GIVEN, "Split([image for image in images()], labels())"),
        (GIVEN, "Split(images().astype(np.int64), labels())"),
        (GIVEN, "(images(), labels())"),
        ("CLASSES = 3", "CLASSES = np.int64(3)"),
        ("LEVELS = 8", "LEVELS = np.uint8(8)"),
        ("SIZE = 4", "SIZE = np.array(4)[()]"),
    ],
)
def test_what_can_mean_one_thing_only_is_taken(tmp_path, old, new):
    assert old in MODULE
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "other.py").write_text(MODULE.replace(old, new), encoding="utf-8")
    wanted, found = (
        prepare(DatasetSpec(str(tmp_path / name), levels=8), tmp_path) for name in ("mine.py", "other.py")
    )
    assert found.sha256 == wanted.sha256
    for split in found.splits.values():
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int64
    assert type(found.classes) is int


SIZES = "expected a whole number from 1 to 1024, or (height, width) of two, got "
CHANNELS = "expected a whole number from 1 to 16, got "
LEVELS = "expected a whole number from 2 to 256, got "
CLASSES = "expected a whole number from 1 on, or None without labels, got "
SPLITS = "expected a dict of the splits train, valid, test"
IMAGES = "split train: expected uint8 images [N, C, 4, 4], got "

REFUSED = [
    *(("SIZE = 4", f"SIZE = {v}", f"SIZE: {SIZES}{v}") for v in ("(8, 8, 1)", "(4, 0)", "0", "4.0", "1025")),
    *(("SIZE = 4", f"SIZE = {v}", f"SIZE: {SIZES}{v}") for v in ("-8", "True")),
    ("SIZE = 4", "SIZE = '4'", f"SIZE: {SIZES}'4'"),
    *(("SIZE = 4", f"SIZE = 4; CHANNELS = {v}", f"CHANNELS: {CHANNELS}{v}") for v in ("0", "17", "'3'")),
    ("SIZE = 4", "SIZE = 4; CHANNELS = 3", "train: expected images of 3 channels, got 1"),
    *(("LEVELS = 8", f"LEVELS = {v}", f"LEVELS: {LEVELS}{v}") for v in ("1", "257", "8.0", "None", "[8]")),
    *(("CLASSES = 3", f"CLASSES = {v}", f"CLASSES: {CLASSES}{v}") for v in ("0", "-1", "3.0", "False")),
    ("def load(", "load = 3\ndef other(", "load: expected a function, got 3"),
    (RETURN, "None", f"load gave None, {SPLITS}"),
    (RETURN, "[given] * 3", f"load gave a list, {SPLITS}"),
    ("return {", "yield {", f"load gave a generator, {SPLITS}"),
    (RETURN, '{"train": given}', f"load gave train; {SPLITS}"),
    (RETURN, "{}", f"load gave no split; {SPLITS}"),
    (RETURN, RETURN[:-1] + ', "extra": given}', f"load gave train, valid, test, extra; {SPLITS}"),
    (GIVEN, "None", "split train: expected Split(images, labels), got None"),
    (GIVEN, "images()", "split train: expected Split(images, labels), got a ndarray"),
    (GIVEN, "(images(), labels(), 3)", "split train: expected Split(images, labels), got a tuple"),
    (GIVEN, "Split(images() / 7, labels())", f"{IMAGES}float64 [6, 1, 4, 4] from 0 to 1"),
    (GIVEN, "Split(images()[:, 0], labels())", f"{IMAGES}uint8 [6, 4, 4]"),
    (GIVEN, "Split(None, labels())", f"{IMAGES}object []"),
    (GIVEN, "Split((i for i in images()), labels())", f"{IMAGES}object []"),
    (GIVEN, "Split([[1], [1, 2]], labels())", "split train: images: a list that makes no array: "),
    (GIVEN, "Split(torch.ones(6, requires_grad=True))", "images: a Tensor that makes no array: "),
    (GIVEN, "Split([], labels())", "split train: has no images"),
    (GIVEN, "Split(images() + 7, labels())", "split train: pixel 14 is out of range 0..7"),
    (GIVEN, "Split(images(), labels() * 1.0)", "split train: expected integer labels, got float64"),
    (GIVEN, "Split(images(), labels() + 1)", "split train: label 3 is out of range 0..2"),
    (GIVEN, "Split(images(), labels()[:, None])", "one label for each of 6 images, got shape [6, 1]"),
    (GIVEN, "Split(images(), labels(5))", "one label for each of 6 images, got shape [5]"),
    (GIVEN, "Split(images())", "one label for each of 6 images, got None"),
    ("load(data_root, split_seed)", "load(data_root)", "load failed: TypeError: load() takes 1 "),
    (GIVEN, "{}['a key']", "load failed: KeyError: 'a key' (mine.py, line 16)"),
    (GIVEN, "open('no_such_file')", "'no_such_file' (mine.py, line 16)"),
    ("n * 16", "1 / 0", "load failed: ZeroDivisionError: division by zero (mine.py, line 10)"),
    ("LEVELS = 8", "LEVELS = 1 / 0", "ZeroDivisionError: division by zero (mine.py, line 6)"),
    ("LEVELS = 8", "LEVELS = (", "cannot be imported: SyntaxError: "),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), REFUSED)
def test_what_is_wrong_is_told_in_one_sentence_that_names_the_file(folder, capsys, old, new, said):
    assert old in MODULE
    Path("mine.py").write_text(MODULE.replace(old, new), encoding="utf-8")
    toy(folder, datasets={"toy": {"source": "mine.py", "levels": 8}})
    assert main(["prepare", "toy.yaml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("pixelcnn prepare: error: ") and error.count("\n") == 1
    assert "mine.py" in error and said in error, error
    assert not Path("results").exists()


def test_words_of_the_module_itself_are_left_as_they_are(folder, capsys):
    raising = "from pixelcnn.system.errors import DataError\n" + MODULE.replace(
        GIVEN, "DataError('x')\n    raise given"
    ).replace("DataError('x')", "DataError('stripes: put them into data/')")
    Path("mine.py").write_text(raising, encoding="utf-8")
    toy(folder, datasets={"toy": {"source": "mine.py", "levels": 8}})
    assert main(["prepare", "toy.yaml"]) == 2
    assert capsys.readouterr().err == "pixelcnn prepare: error: stripes: put them into data/\n"


def test_a_module_that_is_edited_while_it_loads_is_prepared_again(folder, capsys):
    """Else the digest would be that of the new code, and the images those of the old."""
    edit = "    open(__file__, 'a').write('x = 1\\n')\n    given ="
    Path("mine.py").write_text(MODULE.replace("    given =", edit), encoding="utf-8")
    toy(folder, datasets={"toy": {"source": "mine.py", "levels": 8}})
    assert main(["prepare", "toy.yaml"]) == 2
    assert "mine.py: edited while it was prepared; prepare it again" in capsys.readouterr().err
    assert not Path("results").exists()
