"""In which order the images of a training come, and what seeds decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.small import MIRRORED, prepared, run_spec
from support.two_weights import DIMS, binary_images, sha_seed

from pixelcnn.data.contract import Split
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training.batches import Batches

CPU = torch.device("cpu")


def test_seeds_are_half_of_the_first_64_bits_of_a_sha_256():
    assert derived_seed(0, "data order") == 7_159_696_962_517_958_688  # printf '0/data order' | sha256sum
    assert derived_seed(7, "initialisation") == 2_863_736_146_990_721_210
    assert derived_seed(12, "dropout") == sha_seed(12, "dropout")


def test_order_and_binarization_come_from_seeds_of_their_own():
    grey = np.random.default_rng(0).integers(0, 256, (10, 1, 1, DIMS), dtype=np.uint8)
    data = replace(binary_images(grey, grey[:2] > 127), train_is_intensity=True)
    batches = Batches(data, run_spec(seed=3, batch_size=4), CPU)
    order = torch.Generator().manual_seed(sha_seed(3, "data order"))
    noise = np.random.default_rng(sha_seed(3, "binarization"))
    for _ in range(2):
        binary = noise.random(grey.shape, dtype=np.float32) < grey / np.float32(255)
        expected = binary[torch.randperm(10, generator=order).numpy()]
        got = list(batches.epoch())
        assert [len(x) for x, _ in got] == [4, 4, 2] and len(batches) == 3
        assert torch.cat([x for x, _ in got]).tolist() == expected.tolist()


def test_every_image_comes_once_an_epoch_and_in_another_order_in_the_next():
    data = prepared(50)
    numbered = np.arange(50, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 6, 6), np.uint8)
    data = replace(data, splits={**data.splits, "train": Split(numbered, np.arange(50))})
    batches = Batches(data, run_spec(conditional=True), CPU)
    epochs = [list(batches.epoch()) for _ in range(2)]
    orders = [[int(v) for x, _ in epoch for v in x[:, 0, 0, 0]] for epoch in epochs]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(50)) and orders[0] != orders[1]
    assert [len(x) for x, _ in epochs[0]] == [16, 16, 16, 2], "the ragged last batch is there"
    assert all((x[:, 0, 0, 0] == y).all() for x, y in epochs[0]), "labels stay with their images"


def test_stochastic_training_images_are_drawn_anew_for_every_epoch():
    grey = Split(np.full((20, 1, 6, 6), 128, np.uint8))
    data = replace(prepared(labelled=False), train_is_intensity=True)
    data = replace(data, splits={**data.splits, "train": grey})
    batches = Batches(data, run_spec(), CPU)
    first, second = (torch.cat([x for x, _ in batches.epoch()]) for _ in range(2))
    assert set(first.unique().tolist()) == {0, 1}
    assert not torch.equal(first, second)
    assert first.double().mean().item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("intensity", [False, True])
def test_half_of_the_images_are_mirrored_anew_for_every_epoch_and_nothing_else_changes(intensity):
    grey = np.random.default_rng(0).integers(0, 256, (200, 2, 3, 4), dtype=np.uint8)
    data = replace(prepared(), splits={"train": Split(grey, np.arange(200))}, train_is_intensity=intensity)
    plain, mirroring, other = (
        Batches(data, run_spec(conditional=True, seed=seed, **recipe), CPU)
        for seed, recipe in ((4, {}), (4, MIRRORED), (5, MIRRORED))
    )
    seen = []
    for batches in (mirroring, mirroring, other):
        reference = plain if batches is mirroring else Batches(data, run_spec(conditional=True, seed=5), CPU)
        mirrored = torch.zeros(200, dtype=torch.bool)
        peeked = batches.first()
        of_epoch = list(batches.epoch())
        assert all(torch.equal(*pair) for pair in zip(peeked, of_epoch[0], strict=True))
        for (x, y), (given, label) in zip(of_epoch, reference.epoch(), strict=True):
            assert x.dtype == torch.int64 and torch.equal(y, label), "the same images in the same batches"
            as_given, as_mirrored = ((x == one).flatten(1).all(1) for one in (given, given.flip(3)))
            assert (as_given | as_mirrored).all()
            mirrored[y] = ~as_given
        assert 70 < mirrored.sum() < 130  # of 200; outside of that once in fifty thousand times
        seen.append(mirrored)
    assert all(60 < (a ^ b).sum() < 140 for a, b in ((seen[0], seen[1]), (seen[0], seen[2]))), "anew"


@pytest.mark.parametrize("conditional", [False, True])
def test_batches_that_are_done_are_left_out_and_the_rest_is_the_same(conditional):
    grey = np.random.default_rng(0).integers(0, 256, (10, 1, 6, 6), dtype=np.uint8)
    data = replace(prepared(), splits={"train": Split(grey, np.arange(10) % 2)}, train_is_intensity=True)
    asked = run_spec(conditional=conditional, batch_size=4)
    first, second = Batches(data, asked, CPU), Batches(data, asked, CPU)
    for done in (1, 2, 3, 0):
        whole, rest = list(first.epoch()), list(second.epoch(done))
        assert len(whole) == 3 and len(rest) == 3 - done
        for (x, y), (a, b) in zip(whole[done:], rest, strict=True):
            assert torch.equal(x, a) and x.dtype == torch.int64
            assert (y is None and b is None) if not conditional else torch.equal(y, b)
