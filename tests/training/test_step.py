"""What one training step asks of its model and of torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.likelihoods.bernoulli import Bernoulli
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.training.step import TrainingStep, learning_rate_factor


class Noting(nn.Module):
    """Gives one logit for all pixels and notes the labels and autocast's state."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple] = []

    def forward(self, features, y):
        autocast = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
        self.seen.append((*autocast, None if y is None else y.tolist()))
        return self.logit.expand(features[:, :1].shape)


class Model(AutoregressiveModel):
    """Labelled binary images of 2 x 2 pixels."""

    def build(self, hyperparameters):
        return Noting()


def stepped(precision: str, **recipe) -> TrainingStep:
    model = Model(None, ImageSpec(1, 2, 2, 2, classes=3), Bernoulli())
    step = TrainingStep(model, TrainingSpec(epochs=1, **recipe), 10, precision)
    step(torch.ones(3, 1, 2, 2, dtype=torch.long), torch.tensor([2, 0, 1]))
    return step


def test_a_model_is_told_the_labels():
    ((_, _, labels),) = stepped("float32").model.network.seen
    assert labels == [2, 0, 1]


@pytest.mark.parametrize(("precision", "enabled"), [("float32", False), ("bfloat16", True)])
def test_the_network_runs_in_bfloat16_if_it_is_asked_for(precision, enabled):
    default = torch.get_autocast_dtype("cpu")
    torch.set_autocast_dtype("cpu", torch.float16)  # as it is on a GPU
    try:
        step = stepped(precision)
    finally:
        torch.set_autocast_dtype("cpu", default)
    ((found, dtype, _),) = step.model.network.seen
    assert found == enabled and (dtype == torch.bfloat16 or not enabled)


def test_the_learning_rate_ends_at_nothing_even_one_step_after_the_warm_up():
    assert learning_rate_factor(5, 5, 4) == 0


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam"])
def test_a_weight_that_is_not_to_be_trained_stays_as_it_is(optimizer):
    model = Model(None, ImageSpec(1, 2, 2, 2, classes=3), Bernoulli())
    model.frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    step = TrainingStep(model, TrainingSpec(epochs=1, optimizer=optimizer, weight_decay=0.5), 10, "float32")
    step(torch.ones(3, 1, 2, 2, dtype=torch.long), torch.tensor([2, 0, 1]))
    assert torch.equal(model.frozen, torch.ones(2))
