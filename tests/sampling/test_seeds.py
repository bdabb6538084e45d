"""What samples are drawn from: the noise of a seed, in evaluation mode."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from support.networks import network

from pixelcnn.sampling.api import sample
from pixelcnn.system.seeding import pixel_noise


@pytest.mark.parametrize("training", [True, False])
def test_sampling_runs_in_evaluation_mode_and_leaves_the_mode_as_it_was(training):
    model, likelihood = network(size=(3, 2))
    modes = []
    model.train(training)
    sample(model, likelihood, 2, seed=0, on_progress=lambda *_: modes.append(model.network.training))
    assert set(modes) == {False} and model.training == model.network.training == training


def test_noise_is_that_of_the_seed_named_sampling():
    key = int(hashlib.sha256(b"6/sampling").hexdigest()[:16], 16) // 2
    expected = np.random.Generator(np.random.Philox(key=[key, 9])).random((1, 3, 4))
    noise = pixel_noise(6, 8, 2, (1, 3, 4))
    assert noise.dtype == torch.float64 and noise[1].tolist() == expected.tolist()
