"""Samples and completions in files, by hand from a model whose probabilities are a table."""

from __future__ import annotations

import numpy as np
import pytest
from support.networks import independent

from pixelcnn.data.contract import Split
from pixelcnn.images.pictures import Drawing, labels_for
from pixelcnn.system.seeding import pixel_noise


def quietly(done: int, total: int) -> None:
    pass


def test_samples_in_the_file_are_drawn_as_asked_for(tmp_path):
    model, likelihood, logits = independent((3, 4))
    y = labels_for(5, 2, None)
    assert y.tolist() == [0, 1, 0, 1, 0] and labels_for(3, 2, [1]).tolist() == [1, 1, 1]
    drawing = Drawing(model, likelihood, None, seed=4, temperature=0.25, batch_size=2)
    assert drawing.samples(5, tmp_path / "a.npz", quietly) == tmp_path / "a.png"
    noise = pixel_noise(4, 0, 5, (1, 3, 4)).numpy()
    with np.load(tmp_path / "a.npz") as found:
        assert found["images"].tolist() == (noise < 1 / (1 + np.exp(-4 * logits[y]))).astype(int).tolist()
        assert found["labels"].tolist() == y.tolist() and found["seed"] == 4


@pytest.mark.parametrize(("size", "rows"), [((7, 5), 3), ((6, 5), 3), ((2, 3), 1)])
@pytest.mark.parametrize("wanted", [None, [1]])
def test_the_lower_half_of_test_images_is_completed_four_times_by_the_model(tmp_path, size, rows, wanted):
    model, likelihood, logits = independent(size)
    random = np.random.default_rng(2)
    test = Split(random.integers(0, 2, (5, 1, *size), dtype=np.uint8), np.array([1, 0, 0, 1, 1]))
    Drawing(model, likelihood, wanted, seed=4, temperature=0.5, batch_size=256).completions(
        test, 3, tmp_path / "c.npz", quietly
    )
    originals = test.images[[1, 0, 2]]  # classes in turn
    told = np.array([0, 1, 0] if wanted is None else [1, 1, 1])
    noise = pixel_noise(4 + 1_000_003, 0, 12, (1, *size)).numpy()  # never that of the samples
    drawn = noise < 1 / (1 + np.exp(-2 * logits[told.repeat(4)]))
    expected = drawn.reshape(3, 4, 1, *size).astype(int)
    expected[:, :, :, :rows] = originals[:, None, :, :rows]
    with np.load(tmp_path / "c.npz") as found:
        assert found["given_rows"] == rows and found["seed"] == 4
        assert found["originals"].tolist() == originals.tolist()
        assert found["completions"].tolist() == expected.tolist()
        assert found["labels"].tolist() == told.tolist()
