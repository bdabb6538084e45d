"""Several seeds in one step: each trains as it does alone, and none sees what becomes of the others."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math

import pytest
import torch
from support.covering import covered
from support.networks import VARIANTS, network
from support.small import SMALL
from torch import nn
from torch.utils._pytree import tree_leaves

from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.layers.base import Chain
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.layers.pointwise import PixelwiseLayer
from pixelcnn.likelihoods.bernoulli import Bernoulli
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.training.stacked import StackedStep, stacked
from pixelcnn.training.step import TrainingStep

SEEDS, STEPS = 3, 10
#: So that it is clipped at some steps of some seeds, and the learning rate changes.
RECIPE = TrainingSpec(epochs=1, learning_rate=0.01, warmup_steps=4, gradient_clip=0.5, weight_decay=0.1)


def networks(name, hyperparameters=None, conditional=False, **kind):
    """Those of several seeds as a training has them, and their likelihood."""
    made = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model, likelihood = network(name, conditional, hyperparameters=hyperparameters, **kind)
        made.append(model.to(memory_format=torch.channels_last).train())
    return made, likelihood


def batches(model, steps=STEPS):
    """Other images and labels for each seed: int64 [k, N, C, H, W] and [k, N] or None. The last are fewer."""
    image, generator = model.image, torch.Generator().manual_seed(5)
    for step in range(steps):
        n = 2 if step == steps - 1 else 4
        x = torch.randint(0, image.levels, (SEEDS, n, *model.image_shape), generator=generator)
        y = torch.randint(0, image.classes, (SEEDS, n), generator=generator) if image.classes else None
        yield x, y


def alone(models, recipe):
    return [TrainingStep(model, recipe, STEPS, "float32") for model in models]


def advance(steps, x, y):
    """Every seed alone: NLL and gradient norm, [k] each."""
    found = [step(x[i], None if y is None else y[i]) for i, step in enumerate(steps)]
    return [torch.stack(values) for values in zip(*found, strict=True)]


def assert_same_networks(stacked, steps):
    for i, step in enumerate(steps):
        for ours, theirs in ((stacked.stack, step.model), (stacked.ema, step.ema.model)):
            found = ours.models[i].state_dict()
            assert list(found) == list(theirs.state_dict())
            for key, value in theirs.state_dict().items():
                torch.testing.assert_close(found[key], value, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("variant", "conditional", "optimizer"),
    covered([*itertools.product(VARIANTS, (False, True), ("adamw", "muon"))]),
)
def test_every_seed_trains_as_it_does_alone(variant, conditional, optimizer):
    models, _ = networks(*variant, conditional)
    trains_as_alone(models, optimizer)


@pytest.mark.parametrize(
    ("likelihood", "levels"), [("categorical", 3), ("categorical", 35), ("logistic_mixture", 5)]
)
def test_every_seed_of_colour_trains_its_own_likelihood(likelihood, levels):
    models, of_last = networks("pixelcnn", levels=levels, channels=3, likelihood=likelihood)
    before = [weight.detach().clone() for weight in of_last.parameters()]
    trains_as_alone(models, "muon")
    assert all((was != now).any() for was, now in zip(before, of_last.parameters(), strict=True))


def test_every_seed_has_its_own_normalised_weights():
    models, _ = networks("gated", {**SMALL["gated"], "weight_norm": True, "skip": True}, conditional=True)
    trains_as_alone(models, "muon")


def trains_as_alone(models, optimizer):
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    steps = alone(copy.deepcopy(models), recipe)
    stacked = StackedStep(models, recipe, STEPS, "float32")
    for x, y in batches(models[0]):
        for found, expected in zip(stacked(x, y), advance(steps, x, y), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert_same_networks(stacked, steps)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("fault", [math.nan, math.inf])
def test_a_seed_that_fails_leaves_the_others_as_they_are(optimizer, fault):
    models, _ = networks("gated")
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    with torch.no_grad():
        next(models[1].parameters())[0, 0, 0, 0] = fault
    steps = alone(copy.deepcopy(models), recipe)
    stacked = StackedStep(models, recipe, STEPS, "float32")
    for x, y in batches(models[0], 3):
        nats, norms = stacked(x, y)
        assert torch.isfinite(norms).tolist() == [True, False, True]
        expected, _ = advance(steps, x, y)
        torch.testing.assert_close(nats[[0, 2]], expected[[0, 2]], rtol=1e-9, atol=1e-9)
    del stacked.stack.models[1], stacked.ema.models[1], steps[1]
    assert_same_networks(stacked, steps)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_training_goes_on_alone_what_was_stacked_and_stacked_what_was_alone(optimizer):
    models, _ = networks("gated", conditional=True)
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    steps = alone(copy.deepcopy(models), recipe)
    stacked = StackedStep(models, recipe, STEPS, "float32")
    given = list(batches(models[0], 3))
    for x, y in given:
        stacked(x, y)
        advance(steps, x, y)
    states = [copy.deepcopy(stacked.state(seed)) for seed in range(SEEDS)]
    anew, _ = networks("gated", conditional=True)
    resumed = alone(copy.deepcopy(anew), recipe)
    for step, state in zip(resumed, states, strict=True):
        step.restore(state)
    again = StackedStep(anew[1:], recipe, STEPS, "float32")
    for seed, step in enumerate(steps[1:]):
        again.restore(step.state(), seed)
    for x, y in given:
        stacked(x, y)
        advance(resumed, x, y)
        again(x[1:], y[1:])
    assert_same_networks(stacked, resumed)
    assert_same_networks(again, resumed[1:])


def test_the_seeds_that_are_left_go_on_where_they_are():
    models, _ = networks("gated")
    steps = alone(copy.deepcopy(models), RECIPE)
    first = stacked([*alone(models, RECIPE)])
    for x, y in batches(models[0], 4):
        first[0].whole(x, y)
        advance(steps, x, y)
    left, gone = stacked([first[0], first[2]]), copy.deepcopy(steps[1])
    for x, _ in batches(models[0], 4):
        left[0].whole(x[[0, 2]], None)
        advance([steps[0], steps[2]], x[[0, 2]], None)
    assert_same_networks(left[0].whole, [steps[0], steps[2]])
    assert [part.done for part in (*left, first[1])] == [8, 8, 4]
    torch.testing.assert_close(models[1].state_dict(), gone.model.state_dict(), rtol=0, atol=1e-9)


def test_the_state_of_one_seed_is_of_no_other_in_memory_either():
    models, _ = networks("gated")
    step = StackedStep(models, dataclasses.replace(RECIPE, optimizer="muon"), STEPS, "float32")
    for value in tree_leaves(step.state(1)):
        if isinstance(value, torch.Tensor):
            assert value.untyped_storage().nbytes() == value.numel() * value.element_size()


class Counting(PixelwiseLayer):
    """Draws, and keeps what it saw: one buffer changes in place, one is replaced, one no checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(0.5)
        self.frozen = nn.Parameter(torch.ones(()), requires_grad=False)
        self.unused = nn.Parameter(torch.ones(2))
        self.register_buffer("total", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("last", torch.zeros(()), persistent=False)

    def forward(self, x, y):
        if self.training:
            self.total = self.total + x.detach().abs().mean()
            self.steps.add_(1)
            self.last = x.detach().sum()
        return self.dropout(x) * self.frozen


class WithBuffers(AutoregressiveModel):
    def build(self, hyperparameters):
        layer = Counting()
        layer.dropout.p = hyperparameters
        return Chain(masked_conv(self.inputs, 4, 3, "A"), layer, masked_conv(4, 1, 3, "B"))


def with_buffers(dropout):
    made = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        made.append(WithBuffers(dropout, ImageSpec(1, 4, 5, 2), Bernoulli()).double().train())
    return made


def test_buffers_and_weights_that_take_no_part_are_each_seeds_own():
    models, recipe = with_buffers(0.0), dataclasses.replace(RECIPE, optimizer="adamw")
    steps = alone(copy.deepcopy(models), recipe)
    stacked = StackedStep(models, recipe, STEPS, "float32")
    for x, y in batches(models[0]):
        stacked(x, y)
        advance(steps, x, y)
    assert_same_networks(stacked, steps)
    layer, expected = (model.network.layers[1] for model in (stacked.stack.models[2], steps[2].model))
    assert layer.steps == STEPS and layer.total > 0
    torch.testing.assert_close(layer.last, expected.last)


def test_every_seed_draws_its_own_noise():
    models = with_buffers(0.5)
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())
    stacked = StackedStep(models, RECIPE, STEPS, "float32")
    x = torch.ones(1, 50, 1, 4, 5, dtype=torch.long).expand(SEEDS, -1, -1, -1, -1)
    nats, _ = stacked(x, None)
    assert len(set(nats.tolist())) == SEEDS


@pytest.mark.parametrize("name", ["pixelcnn", "gated", "attention"])
def test_stacked_networks_run_in_bfloat16_if_it_is_asked_for(name):
    models, _ = networks(name)
    models = [model.float() for model in models]
    x, y = next(batches(models[0]))
    found, expected = {}, {}
    for precision in ("float32", "bfloat16"):
        stacked = StackedStep(copy.deepcopy(models), RECIPE, STEPS, precision)
        step = TrainingStep(copy.deepcopy(models[1]), RECIPE, STEPS, precision)
        found[precision], expected[precision] = stacked(x, y)[0][1], step(x[1], None)[0]
    torch.testing.assert_close(found["float32"], expected["float32"])
    # A grouped convolution rounds otherwise than one alone; both lie about 0.02 nats from float32.
    torch.testing.assert_close(found["bfloat16"], expected["bfloat16"], rtol=0, atol=0.1)
    assert abs(found["bfloat16"] - found["float32"]) > 1e-4
