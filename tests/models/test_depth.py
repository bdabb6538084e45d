"""Networks of thirty blocks train, by the default recipe, from their first steps on."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from support.small import SMALL, stripes

from pixelcnn.config.run_spec import TrainingSpec, VariantSpec
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.training.step import TrainingStep

#: What makes it about thirty blocks, where `blocks` are not those of the whole network.
DEEP = {"pixelcnn_pp": {"blocks": 5}}
SIZE, LEVELS, STEPS = 6, 2, 30
#: That of config.yaml, but for a shorter warm-up.
RECIPE = TrainingSpec(epochs=1, batch_size=8, learning_rate=0.01, adam_learning_rate=0.004, warmup_steps=5)


def has_blocks(name: str) -> bool:
    return "blocks" in {field.name for field in dataclasses.fields(registry.find_architecture(name)[1])}


@pytest.mark.parametrize("name", [name for name in registry.names() if has_blocks(name)])
def test_a_deep_network_learns_in_a_few_steps(name):
    """What a pixel shows is 0 or 1 equally often, so only what it sees of others tells more than a guess."""
    hyperparameters = {**SMALL.get(name, {}), **DEEP.get(name, {"blocks": 30})}
    variant = registry.resolve(VariantSpec(name, hyperparameters=hyperparameters))
    model, _ = registry.build_model(variant, ImageSpec(1, SIZE, SIZE, LEVELS))
    images = torch.from_numpy(stripes(STEPS * RECIPE.batch_size, SIZE, LEVELS, 0).images).long()
    batches = images.split(RECIPE.batch_size)
    model.train().begin(lambda: (batches[0], None))
    step = TrainingStep(model, RECIPE, STEPS, "float32")
    nats = [float(step(x, None)[0]) for x in batches]
    guess = SIZE**2 * math.log(LEVELS)
    assert all(map(math.isfinite, nats))
    assert sum(nats[-5:]) / 5 < 0.98 * guess
