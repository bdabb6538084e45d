"""Requests at their edges: the smallest ones, batches that do not come out even, refusals word for word."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.sampling.api import make_sampler, sample
from pixelcnn.system.errors import UserError
from pixelcnn.system.seeding import pixel_noise

SIZE = (3, 4)


def table(conditional=True, levels=2):
    """A model whose pixels are independent, and its logits: those of a one, by class."""
    variant = VariantSpec("independent", conditional=conditional, hyperparameters={"gain": 1.0})
    model, likelihood = registry.build_model(variant, ImageSpec(1, *SIZE, levels, 2))
    logits = np.random.default_rng(1).normal(size=tuple(model.network.weight.shape))
    with torch.no_grad():
        model.network.weight.copy_(torch.from_numpy(logits))
    return model, likelihood, logits


@pytest.mark.parametrize(("n", "batch_size"), [(1, 1), (1, 9), (7, 1), (7, 3), (7, 7), (6, 3), (7, 256)])
def test_images_labels_and_given_rows_stay_together_in_every_batch(n, batch_size):
    model, likelihood, logits = table()
    y = torch.arange(n) % 3 % 2
    given = torch.randint(0, 2, (n, 1, 1, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    drawn = sample(model, likelihood, n, seed=5, y=y, given=given, temperature=0.5, batch_size=batch_size)
    noise = pixel_noise(5, 0, n, (1, *SIZE)).numpy()
    expected = (noise < 1 / (1 + np.exp(-2 * logits[y]))).astype(np.uint8)
    expected[:, :, :1] = given
    assert drawn.dtype == torch.uint8 and drawn.device.type == "cpu"
    assert drawn.tolist() == expected.tolist()


def test_images_are_drawn_at_temperature_one_from_nothing_unless_told_otherwise():
    model, likelihood, logits = table(conditional=False)
    noise = pixel_noise(3, 0, 2, (1, *SIZE)).numpy()
    assert sample(model, likelihood, 2, seed=3).tolist() == (noise < 1 / (1 + np.exp(-logits))).tolist()


@pytest.mark.parametrize(("n", "batch_size", "ends"), [(7, 3, [3, 6, 7]), (2, 1, [1, 2]), (5, 5, [5])])
def test_progress_counts_images_and_is_whole_after_every_batch(n, batch_size, ends):
    model, likelihood, _ = table(conditional=False)
    seen = []
    sample(model, likelihood, n, seed=0, batch_size=batch_size, on_progress=lambda *at: seen.append(at))
    steps = len(seen) // len(ends)
    assert [seen[steps * (i + 1) - 1] for i in range(len(ends))] == [(end, n) for end in ends]
    done = [finished for finished, _ in seen]
    for start, end, part in zip([0, *ends], ends, range(0, len(seen), steps), strict=False):
        share = [start + (end - start) * step // steps for step in range(1, steps + 1)]
        assert done[part : part + steps] == share


def test_a_completion_of_whole_images_is_what_was_given():
    model, likelihood, _ = table(conditional=False, levels=5)
    given = torch.randint(0, 5, (3, 1, *SIZE), generator=torch.Generator().manual_seed(0))
    assert sample(model, likelihood, 3, seed=0, given=given).tolist() == given.tolist()


def test_the_warning_of_a_slow_sampler_names_the_model_and_the_reason():
    class Reversed(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x, y):
            return self.network(torch.flip(x, [3]), y)

    model, likelihood, _ = table(conditional=False)
    name = type(model).__name__
    model.network = Reversed(model.network)
    with pytest.warns(UserWarning) as caught:
        make_sampler(model, likelihood)
    start = f"{name} is sampled with a full pass for every pixel, which is slow: "
    assert [str(w.message).startswith(start) for w in caught] == [True]
    assert len(str(caught[0].message)) > len(start), "and why"


def zeros(*shape, dtype=torch.long):
    return torch.zeros(shape, dtype=dtype)


SHAPE = "images to complete: expected shape [2, 1, rows up to 3, 4], got "
KNOWN = "images to complete: the model knows levels 0..4, got "


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"n": 0}, "the number of samples must be at least 1, got 0"),
        ({"n": -1}, "the number of samples must be at least 1, got -1"),
        ({"temperature": 0}, "the temperature must lie between 1e-06 and 1e+06, got 0"),
        ({"temperature": -1.0}, "the temperature must lie between 1e-06 and 1e+06, got -1.0"),
        ({"temperature": 1e-310}, "the temperature must lie between 1e-06 and 1e+06, got 1e-310"),
        ({"temperature": float("inf")}, "the temperature must lie between 1e-06 and 1e+06, got inf"),
        ({"temperature": float("nan")}, "the temperature must lie between 1e-06 and 1e+06, got nan"),
        ({"batch_size": 0}, "the batch size must be at least 1, got 0"),
        ({"y": zeros(2)}, "labels were given to an unconditional model"),
        ({"given": zeros(1, 1, 2, 4)}, SHAPE + "[1, 1, 2, 4]"),
        ({"given": zeros(2, 2, 2, 4)}, SHAPE + "[2, 2, 2, 4]"),
        ({"given": zeros(2, 1, 4, 4)}, SHAPE + "[2, 1, 4, 4]"),
        ({"given": zeros(2, 1, 2, 3)}, SHAPE + "[2, 1, 2, 3]"),
        ({"given": zeros(2, 1, 4)}, SHAPE + "[2, 1, 4]"),
        ({"given": zeros(2, 1, 2, 4, 1)}, SHAPE + "[2, 1, 2, 4, 1]"),
        (
            {"given": zeros(2, 1, 2, 4, dtype=torch.float32)},
            "images to complete: expected integers 0..4, got torch.float32",
        ),
        ({"given": zeros(2, 1, 2, 4) + 5}, KNOWN + "5..5"),
        ({"given": zeros(2, 1, 2, 4) - 1}, KNOWN + "-1..-1"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(asked, said):
    model, likelihood, _ = table(conditional=False, levels=5)
    refused(model, likelihood, {"n": 2, **asked}, said)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (None, "a conditional model needs labels, one of 0..1 for each sample"),
        ([0], "expected 2 labels, one a sample, got shape [1]"),
        ([[0, 1]], "expected 2 labels, one a sample, got shape [1, 2]"),
        ([1, 2], "labels must lie in 0..1, got 1..2"),
        ([-1, 1], "labels must lie in 0..1, got -1..1"),
    ],
)
def test_what_is_wrong_with_labels_is_said(y, said):
    model, likelihood, _ = table()
    refused(model, likelihood, {"n": 2, "y": None if y is None else torch.tensor(y)}, said)


def refused(model, likelihood, asked, said):
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        sample(model, likelihood, **asked, seed=0)
