"""Samplers of every architecture draw the same images, from the parameters of a full pass."""

from __future__ import annotations

import itertools

import pytest
import torch
from support.covering import covered
from support.networks import VARIANTS, network, request

from pixelcnn.sampling import runs
from pixelcnn.sampling.fast import ORDERS, FastSampler
from pixelcnn.sampling.reference import ReferenceSampler

#: Square, wide, tall, one row, one column, one pixel.
SIZES = [(6, 6), (4, 11), (9, 4), (1, 7), (6, 1), (1, 1)]
#: Conditional or not.
NETWORKS = [*itertools.product(VARIANTS, (False, True))]
#: Levels, images.
LEVELS_AND_N = [*itertools.product((2, 3), (1, 5))]


# Every network at every size; levels and numbers of images take turns.
@pytest.mark.parametrize(
    ("network_of", "size", "levels_and_n"), covered([*itertools.product(NETWORKS, SIZES, LEVELS_AND_N)])
)
def test_every_sampler_draws_the_same_from_the_parameters_of_the_full_pass(
    monkeypatch, network_of, size, levels_and_n
):
    ((name, hyperparameters), conditional), (levels, n) = network_of, levels_and_n
    monkeypatch.setattr(runs, "MANY", 5)  # the larger batch draws rows in parts
    model, likelihood = network(name, conditional, levels, size, hyperparameters)
    asked = request(model, n, seed=levels)
    reference = ReferenceSampler(model, likelihood).draw(asked)
    params = model(reference.images, asked.labels)
    torch.testing.assert_close(reference.parameters, params, rtol=1e-9, atol=0)
    assert torch.equal(likelihood.sample(params, asked.noise), reference.images)
    for order in ORDERS:
        fast = FastSampler(model, likelihood, order).draw(asked)
        assert torch.equal(fast.images, reference.images), order
        worst = (fast.parameters - params).abs().max()
        assert worst <= 1e-9 * params.abs().max(), order


@pytest.mark.parametrize(("name", "hyperparameters"), VARIANTS)
def test_single_precision_is_close_and_draws_nearly_the_same(name, hyperparameters):
    model, likelihood = network(name, size=(7, 8), hyperparameters=hyperparameters)
    model = model.float()
    asked = request(model, 100)
    reference = ReferenceSampler(model, likelihood).draw(asked)
    for order in ORDERS:
        fast = FastSampler(model, likelihood, order).draw(asked)
        params = model(fast.images, asked.labels)
        torch.testing.assert_close(fast.parameters, params, rtol=0, atol=1e-4)
        same = (fast.images == reference.images).flatten(1).all(dim=1)
        assert same.double().mean() >= 0.95
