"""What trained models have memorised: the nearest training images, and likelihoods of the splits."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from support.small import prepared, run_spec

from pixelcnn.analysis.gaps import split_nlls
from pixelcnn.analysis.neighbours import nearest, nearest_or_mirrored, training_images
from pixelcnn.data.contract import Split
from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.images.grids import in_turn
from pixelcnn.models import registry
from pixelcnn.report.plates import as_trained
from pixelcnn.training.loop import image_spec


def test_planted_copies_are_found_and_all_is_as_by_brute_force(monkeypatch):
    monkeypatch.setattr("pixelcnn.analysis.neighbours.BLOCK", 7 * 63)  # seven training images a block
    random = np.random.default_rng(0)
    train, asked = (random.integers(0, 256, (n, 1, 7, 9), dtype=np.uint8) for n in (50, 9))
    train[40] = train[13]
    asked[2], asked[5] = train[13], train[49]
    index, distance = nearest(asked, train, 256)
    assert (index[2], index[5]) == (13, 49) and (distance[2], distance[5]) == (0, 0)
    differences = (asked[:, None] / 255 - train[None] / 255).reshape(9, 50, -1)
    table = np.sqrt((differences**2).mean(axis=2))
    assert index.tolist() == table.argmin(axis=1).tolist()
    assert distance == pytest.approx(table.min(axis=1), abs=1e-12)


def test_copies_of_mirrored_images_are_found_and_shown_as_they_were_learnt():
    random = np.random.default_rng(0)
    train, asked = (random.integers(0, 4, (n, 2, 5, 6), dtype=np.uint8) for n in (30, 6))
    asked[1], asked[4] = train[17, :, :, ::-1], train[20]
    index, distance, mirrored = nearest_or_mirrored(asked, train, 4)
    assert (index[1], mirrored[1], distance[1]) == (17, True, 0)
    assert (index[4], mirrored[4], distance[4]) == (20, False, 0)
    both = np.concatenate([train, np.flip(train, 3)]) / 3
    table = np.sqrt(((asked[:, None] / 3 - both) ** 2).mean(axis=(2, 3, 4)))
    assert distance == pytest.approx(table.min(axis=1), abs=1e-12)
    found = as_trained(train[index], mirrored) / 3
    assert ((asked / 3 - found) ** 2).mean(axis=(1, 2, 3)) == pytest.approx(distance**2, abs=1e-12)


def intensities(n=40):
    data = prepared(labelled=False)
    grey = Split(np.random.default_rng(0).integers(0, 256, (n, 1, 6, 6), dtype=np.uint8))
    return replace(data, train_is_intensity=True, splits={**data.splits, "train": grey})


def test_training_intensities_are_compared_as_binary_images():
    data = intensities()
    assert training_images(data).tolist() == (data.splits["train"].images > 127.5).astype(int).tolist()
    assert training_images(prepared()) is not None and training_images(prepared()).max() == 1


@pytest.mark.parametrize("conditional", [False, True])
def test_gaps_are_likelihoods_of_the_splits(conditional):
    data, spec = prepared(), run_spec(conditional=conditional)
    model, likelihood = registry.build_model(spec.variant, image_spec(data), seed=3)
    train, valid = split_nlls(model.eval(), likelihood, data)
    assert train == evaluate(model, likelihood, data.splits["train"]).nll
    assert valid == evaluate(model, likelihood, data.splits["valid"]).nll != train


def test_the_first_images_in_turn_stand_for_all_however_the_file_is_sorted():
    labels = np.repeat(np.arange(10), 100)
    assert labels[in_turn(1000, labels)[:20]].tolist() == 2 * list(range(10))
    unknown = in_turn(1000, None)
    assert sorted(unknown) == list(range(1000)) and unknown == in_turn(1000, None)
    counts = np.bincount(labels[unknown[:100]], minlength=10)
    assert counts.min() >= 3, counts  # of a sorted file the first hundred would be of one class


@pytest.mark.parametrize("conditional", [False, True])
def test_a_gap_over_some_training_images_takes_the_same_ones_of_every_run(conditional):
    data, spec = prepared(), run_spec(conditional=conditional)
    train = data.splits["train"]
    model, likelihood = registry.build_model(spec.variant, image_spec(data), seed=3)
    every = evaluate(model.eval(), likelihood, train).per_image
    seed = int(hashlib.sha256(b"0/training images of the gap").hexdigest()[:16], 16) // 2
    chosen = np.random.default_rng(seed).permutation(len(train.images))[:7]
    found, valid = split_nlls(model, likelihood, data, 7)
    assert found == pytest.approx(float(np.mean(every[chosen], dtype=np.float64)))
    whole = split_nlls(model, likelihood, data)
    assert valid == whole[1] and found != whole[0]
    assert split_nlls(model, likelihood, data, len(train.images)) == whole


def test_training_intensities_are_binarized_the_same_for_every_run():
    data, spec = intensities(), run_spec()
    model, likelihood = registry.build_model(spec.variant, image_spec(data), seed=3)
    assert split_nlls(model, likelihood, data) == split_nlls(model, likelihood, data)
    grey = data.splits["train"].images
    seed = int(hashlib.sha256(b"0/binarization of the training split").hexdigest()[:16], 16) // 2
    drawn = np.random.default_rng(seed).random(grey.shape, dtype=np.float32) < grey / np.float32(255)
    expected = evaluate(model, likelihood, Split(drawn.astype(np.uint8))).nll
    assert split_nlls(model, likelihood, data)[0] == pytest.approx(expected)
