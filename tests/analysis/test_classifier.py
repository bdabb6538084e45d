"""The classifier that judges conditional samples."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.small import prepared, stripes

from pixelcnn.analysis.classifier import classify, load_classifier, train_classifier
from pixelcnn.data.contract import Split
from pixelcnn.system.errors import UserError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("size", "levels"), [(2, 2), (5, 256)])
def test_a_classifier_learns_stripes_at_any_size(size, levels):
    data = prepared(200, size, levels)
    splits = {
        name: stripes(n, size, levels, i) for i, (name, n) in enumerate({"train": 200, "test": 99}.items())
    }
    judge = train_classifier(replace(data, splits={**data.splits, **splits}), CPU)
    assert judge.accuracy > 0.85 and judge.images == 99


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1)])
def test_a_classifier_takes_images_of_a_single_row_or_column(size):
    def split(n, seed):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 2, n)
        return Split((labels[:, None, None, None] * np.ones((1, 1, *size))).astype(np.uint8), labels)

    data = replace(prepared(), splits={"train": split(200, 0), "valid": split(30, 1), "test": split(99, 2)})
    assert train_classifier(data, CPU).accuracy == 1


def test_a_classifier_reads_channels_and_intensities():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 150)
    colour = np.zeros((150, 3, 4, 4), np.uint8)
    colour[np.arange(150), labels] = 200
    whole = Split(colour, labels)
    binary = Split((colour > 127).astype(np.uint8), labels)
    data = replace(
        prepared(),
        classes=3,
        train_is_intensity=True,
        splits={"train": whole, "valid": binary, "test": binary},
    )
    assert train_classifier(data, CPU).accuracy > 0.95


def test_a_classifier_is_the_same_again_leaves_the_generator_alone_and_comes_back_from_its_file(tmp_path):
    data = prepared()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    judge = classify(data, CPU, tmp_path / "classifier.pt")
    assert torch.equal(torch.rand(3), expected)
    again = train_classifier(data, CPU)
    assert all(
        torch.equal(a, b)
        for a, b in zip(judge.network.state_dict().values(), again.network.state_dict().values(), strict=True)
    )
    assert judge.accuracy == again.accuracy
    said = json.loads((tmp_path / "classifier.json").read_text(encoding="utf-8"))
    assert (said["accuracy"], said["images"], said["data_sha256"]) == (judge.accuracy, 37, data.sha256)
    test = data.splits["test"].images
    read = load_classifier(tmp_path / "classifier.pt", data, CPU)
    assert read.answers(test).tolist() == judge.answers(test).tolist() and read.accuracy == judge.accuracy


def test_without_labels_the_files_say_so_and_nothing_is_judged(tmp_path):
    data = prepared(labelled=False)
    path = tmp_path / "classifier.pt"
    assert classify(data, CPU, path) is None
    said = json.loads((tmp_path / "classifier.json").read_text(encoding="utf-8"))
    assert said["accuracy"] is None and said["classes"] is None and said["images"] == 0
    with pytest.raises(UserError, match="no labels"):
        load_classifier(path, data, CPU)


def test_a_classifier_that_cannot_be_used_is_refused(tmp_path):
    path, data = tmp_path / "classifier.pt", prepared(20)
    with pytest.raises(UserError, match="pixelcnn classify"):
        load_classifier(path, data, CPU)
    classify(data, CPU, path)
    with pytest.raises(UserError, match="other data"):
        load_classifier(path, replace(data, sha256="1" * 64), CPU)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match="damaged"):
        load_classifier(path, data, CPU)
