"""Dropout of every architecture that has it: while it trains, and nowhere else."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from support.networks import VARIANTS, network

from pixelcnn.config.run_spec import TrainingSpec, VariantSpec
from pixelcnn.data.contract import Split
from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.invariants.before_training import find_leak
from pixelcnn.layers.pointwise import Dropout
from pixelcnn.models import registry
from pixelcnn.sampling import api
from pixelcnn.training.stacked import StackedStep


def has_dropout(name: str) -> bool:
    return "dropout" in {field.name for field in dataclasses.fields(registry.find_architecture(name)[1])}


DROPPING = [(name, hyperparameters) for name, hyperparameters in VARIANTS if has_dropout(name)]


def pair(name, hyperparameters):
    """A network with dropout in training mode, and one of the same weights that has none."""
    without, likelihood = network(name, hyperparameters=hyperparameters)
    model, _ = network(name, hyperparameters={**hyperparameters, "dropout": 0.5})
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), without.parameters(), strict=True):
            ours.copy_(theirs)
    assert any(isinstance(layer, Dropout) and layer.rate == 0.5 for layer in model.modules())
    return model.train(), without, likelihood


@pytest.mark.parametrize(("name", "hyperparameters"), DROPPING)
def test_it_drops_while_it_trains_and_nowhere_else(monkeypatch, name, hyperparameters):
    model, without, likelihood = pair(name, hyperparameters)
    x = torch.randint(0, 3, (5, *model.image_shape))
    assert (model(x) != model(x)).any(), "in training each pass draws its own"
    for sampler in (api.FastSampler, api.ReferenceSampler):
        monkeypatch.setattr(api, "make_sampler", sampler)
        drawn = [api.sample(of, likelihood, 5, seed=0) for of in (model, without)]
        assert torch.equal(*drawn), sampler
    assert model.training, "as it was"
    assert torch.equal(model.eval()(x), without(x))
    nlls = [evaluate(of, likelihood, Split(x.numpy())).nll for of in (model, without)]
    assert nlls[0] == nlls[1]


@pytest.mark.parametrize(("name", "hyperparameters"), DROPPING)
def test_what_it_draws_is_no_leak_and_each_stacked_seeds_own(name, hyperparameters):
    model, _, _ = pair(name, hyperparameters)
    assert find_leak(model) is None
    step = StackedStep([model, copy.deepcopy(model)], TrainingSpec(epochs=1), 10, "float32")
    x = torch.zeros(1, 4, *model.image_shape, dtype=torch.long).expand(2, -1, -1, -1, -1)
    nats, _ = step(x, None)
    assert nats.isfinite().all() and nats[0] != nats[1]


@pytest.mark.parametrize("name", ["pixelcnn", "gated", "attention"])
def test_runs_that_were_described_before_it_came_have_their_digests(name):
    found = registry.resolve(VariantSpec(name, hyperparameters={"dropout": 0.0}))
    assert "dropout" not in found.hyperparameters
