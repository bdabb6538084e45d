"""Buffers of a network while it trains: the averaged network has the model's, and so has what resumes."""

from __future__ import annotations

import itertools
import signal

import pytest
import torch
from support.small import prepared, run_spec
from torch import nn

from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.invariants.before_training import find_leak
from pixelcnn.models import registry
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.system.errors import Interrupted
from pixelcnn.training.average import Averaged
from pixelcnn.training.loop import Observer, fit, image_spec

CPU = torch.device("cpu")
DATA = prepared()


class Scaled(nn.Module):
    """Divides by a scale that follows the parameters while it trains: used first, moved afterwards."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("kept", torch.zeros(()), persistent=False)

    def forward(self, x, y):
        params = self.network(x, y) / self.scale
        if self.training:
            self.scale = self.scale * 0.9 + 0.1 * (1 + params.detach().double().std().to(self.scale))
            self.steps += 1
            self.kept += 1
        return params


def scaled():
    model, likelihood = registry.build_model(run_spec().variant, image_spec(DATA), seed=1)
    model.network = Scaled(model.network)
    return model, likelihood


def train(run_dir, **observed):
    model, _ = scaled()
    spec = run_spec(learning_rate=0.01)
    fit(model, DATA, spec, run_dir=run_dir, device=CPU, observer=Observer(**observed))
    return checkpoint.load(RunFolder(run_dir).checkpoint)


def test_the_averaged_network_has_the_buffers_of_the_model():
    model, _ = scaled()
    model.train()
    averaged = Averaged(model, 0.999)
    for _ in range(3):
        model(torch.ones(4, 1, 6, 6, dtype=torch.long))
        averaged.update(model)
    ours, wanted = averaged.model.network, model.network
    assert wanted.steps == 3 and torch.equal(ours.steps, wanted.steps) and ours.steps.dtype == torch.long
    assert torch.equal(ours.scale, wanted.scale) and wanted.scale != 1
    assert ours.scale is not wanted.scale, "a copy: the model goes on"
    assert ours.kept == 0, "what no checkpoint holds is as in a network that is rebuilt"


def test_a_buffer_that_changes_while_it_trains_is_in_the_checkpoint_and_in_its_likelihoods(tmp_path):
    result = train(tmp_path)
    for weights in (result.weights, result.ema_weights):
        assert weights["network.steps"] % 7 == 0 and weights["network.steps"] > 0
        assert weights["network.scale"] == result.weights["network.scale"] != 1
    model, likelihood = scaled()
    model.load_state_dict(result.ema_weights)
    assert find_leak(model) is None
    nll = evaluate(model.eval(), likelihood, DATA.splits["valid"]).nll
    assert nll == pytest.approx(RunFolder(tmp_path).record().best_valid_nll, rel=1e-6)


def test_buffers_survive_an_interruption(tmp_path):
    wanted, calls = train(tmp_path / "whole"), itertools.count(1)
    with pytest.raises(Interrupted):
        train(tmp_path / "run", signal=lambda: signal.SIGTERM if next(calls) >= 11 else None)
    result = train(tmp_path / "run")
    for kind in ("weights", "ema_weights"):
        a, b = getattr(result, kind), getattr(wanted, kind)
        assert all(torch.equal(a[key], b[key]) for key in b) and "network.scale" in a
