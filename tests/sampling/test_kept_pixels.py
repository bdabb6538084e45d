"""Pixels that are kept anywhere stay, and the others are drawn as the reference sampler draws them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.networks import independent, network, request

from pixelcnn.sampling.api import sample
from pixelcnn.sampling.fast import ORDERS, FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.system.errors import UserError
from pixelcnn.system.seeding import pixel_noise


@pytest.mark.parametrize("name", ["pixelcnn", "attention"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_fast_sampler_keeps_and_draws_what_the_reference_does(name, order):
    model, likelihood = network(name)
    fast = FastSampler(model, likelihood, order)
    for seed in (1, 2):  # the second request uses the memory and the work of the first again
        asked = request(model, 70, seed=seed)
        random = np.random.default_rng(seed)
        places = torch.from_numpy(random.random(asked.noise.shape) < 0.4)
        values = torch.from_numpy(random.integers(0, 3, asked.noise.shape))
        asked = replace(asked, kept=torch.where(places, values, -1))
        expected = ReferenceSampler(model, likelihood).draw(asked)
        found = fast.draw(asked)
        assert torch.equal(found.images, expected.images)
        assert torch.equal(found.images[places], values[places])
        torch.testing.assert_close(found.parameters, expected.parameters)
    assert not torch.equal(fast.draw(replace(asked, kept=None)).images, found.images)


def test_what_is_drawn_between_kept_pixels_comes_from_the_noise_of_its_own_place():
    model, likelihood, logits = independent((3, 4))
    kept = torch.full((5, 1, 3, 4), -1)
    kept[:, :, :, :2] = (torch.arange(5) // 2 % 2)[:, None, None, None]
    y = torch.arange(5) % 2
    drawn = sample(model, likelihood, 5, seed=4, y=y, kept=kept, batch_size=2)
    expected = pixel_noise(4, 0, 5, (1, 3, 4)).numpy() < 1 / (1 + np.exp(-logits[y]))
    expected[..., :2] = kept[..., :2]
    assert drawn.tolist() == expected.astype(int).tolist()


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (
            torch.zeros(2, 1, 3, 3).long(),
            r"^pixels to keep: expected integers \[2, 1, 3, 4\], got ",
        ),
        (torch.zeros(2, 1, 3, 4), "^pixels to keep: expected integers .*, got torch.float32 "),
        (torch.full((2, 1, 3, 4), 2), r"^pixels to keep: expected -1 or levels 0..1, got 2..2$"),
    ],
)
def test_other_pixels_to_keep_are_refused(kept, said):
    model, likelihood, _ = independent((3, 4))
    with pytest.raises(UserError, match=said):
        sample(model, likelihood, 2, seed=0, y=torch.zeros(2).long(), kept=kept)
