"""The steps of a training, number for number: a model of two weights, here and in plain Python."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
from support.two_weights import START, ByHand, Pair, pair, tensor

from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.training.average import ema_decay
from pixelcnn.training.optimizers import learning_rate_factor
from pixelcnn.training.step import TrainingStep

#: Ten batches of unequal size.
BATCHES = [
    [[1, 0, 1], [0, 1, 1], [1, 1, 0]],
    [[0, 0, 0]],
    [[1, 1, 1], [1, 0, 0], [0, 1, 1], [1, 0, 1]],
    [[0, 1, 0], [0, 0, 1]],
    [[1, 1, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0]],
    [[0, 0, 0]],
    [[1, 0, 1], [0, 0, 1]],
    [[1, 1, 1]],
    [[0, 1, 0], [1, 0, 1], [0, 1, 0]],
    [[0, 0, 1], [1, 1, 1]],
]
RECIPE = TrainingSpec(
    epochs=1,
    optimizer="adamw",
    learning_rate=0.11,
    weight_decay=0.7,
    warmup_steps=3,
    gradient_clip=0.25,
    ema_decay=0.42,
    precision="float32",
)


@pytest.mark.parametrize("went_on_after", [None, 5])
@pytest.mark.parametrize("optimizer", ["adamw", "adam"])
def test_ten_steps_are_those_of_the_formulas(optimizer, went_on_after):
    spec = replace(RECIPE, optimizer=optimizer)
    step = TrainingStep(Pair(), spec, len(BATCHES), "float32")
    expected = ByHand(START, spec, len(BATCHES))
    norms = []
    for number, batch in enumerate(BATCHES):
        if number == went_on_after:
            saved = copy.deepcopy(step.state())
            step = TrainingStep(Pair((5.0, 5.0)), spec, len(BATCHES), "float32")
            step.restore(saved)
        assert step.learning_rate == pytest.approx(expected.learning_rate(), rel=1e-12)
        nats, norm = step(tensor(batch), None)
        assert (nats.item(), norm.item()) == pytest.approx(expected.step(batch), rel=1e-9)
        assert pair(step.model) == pytest.approx(expected.weights, rel=1e-9), number
        assert pair(step.ema.model) == pytest.approx(expected.averaged, rel=1e-9), number
        norms.append(norm.item())
    assert sum(norm > spec.gradient_clip for norm in norms) == 5, "half of the gradients are clipped"
    assert step.learning_rate == pytest.approx(0, abs=1e-12), "it ends at nothing"


def test_a_step_gives_plain_numbers_and_leaves_no_gradient():
    step = TrainingStep(Pair(), RECIPE, 10, "float32")
    nats, norm = step(tensor(BATCHES[0]), None)
    assert not nats.requires_grad and not norm.requires_grad
    assert all(p.grad is None for p in step.model.parameters())
    assert not step.ema.model.training and not any(p.requires_grad for p in step.ema.model.parameters())


@pytest.mark.parametrize(
    ("step", "total", "warmup", "factor"),
    [
        (0, 8, 0, 1.0),  # no warm-up: the cosine from its top
        (2, 8, 0, (1 + math.sqrt(0.5)) / 2),
        (4, 8, 0, 0.5),
        (6, 8, 0, (1 - math.sqrt(0.5)) / 2),
        (0, 20, 4, 0.2),
        (3, 20, 4, 0.8),
        (4, 20, 4, 1.0),
        (8, 20, 4, (1 + math.sqrt(0.5)) / 2),
        (3, 3, 4, 0.8),  # a training that ends in its warm-up
        (4, 4, 4, 1.0),
    ],
)
def test_the_learning_rate_by_hand(step, total, warmup, factor):
    assert learning_rate_factor(step, total, warmup) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    ("updates", "decay"), [(0, 0.1), (1, 2 / 11), (8, 0.5), (80, 0.9), (89, 10 / 11), (90, 0.91), (900, 0.91)]
)
def test_the_decay_of_the_average_by_hand(updates, decay):
    assert ema_decay(updates, 0.91) == pytest.approx(decay, rel=1e-12)
