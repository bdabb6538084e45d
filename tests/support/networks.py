"""Small networks of every architecture, random and uncertain enough that every draw matters."""

from __future__ import annotations

import numpy as np
import torch
from support.small import CONDITIONAL, SMALL

from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.invariants.leaks import randomise
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.sampling.request import Request
from pixelcnn.system.seeding import pixel_noise

DILATED = {**SMALL["pixelcnn"], "blocks": 3, "dilations": [1, 2, 4]}
#: Every architecture with small hyper-parameters, and the dilated variant.
VARIANTS = [(name, SMALL.get(name, {})) for name in registry.names()] + [("pixelcnn", DILATED)]


def randomised(
    name, hyperparameters=None, *, size=(7, 6), conditional=False, levels=3, channels=1, likelihood="auto"
):
    """A model in float64 with random weights, and its likelihood."""
    given = SMALL.get(name, {}) if hyperparameters is None else hyperparameters
    hyperparameters = {**(CONDITIONAL.get(name, {}) if conditional else {}), **given}
    variant = VariantSpec(name, conditional, likelihood, hyperparameters)
    image = ImageSpec(channels, *size, levels, 2)
    model, likelihood = registry.build_model(registry.resolve(variant), image)
    return randomise(model), likelihood


def network(name="pixelcnn", conditional=False, levels=3, size=(4, 5), hyperparameters=None, **kind):
    """The same with parameters of size 1: no pixel is certain, so every draw matters."""
    model, likelihood = randomised(
        name, hyperparameters, size=size, conditional=conditional, levels=levels, **kind
    )
    *_, weight, bias = [None, *model.parameters()]
    with torch.no_grad():
        x = torch.randint(0, levels, (20, *model.image_shape))
        spread = model(x, torch.zeros(20).long() if conditional else None).std()
        scale = spread if spread > 1e-6 else 1  # the only pixel of an image always has the same
        for last in (weight, bias):
            if last is not None:
                last /= scale
    return model, likelihood


def independent(size):
    """A conditional model of binary images of independent pixels, its likelihood, its logits by class."""
    variant = registry.resolve(VariantSpec("independent", conditional=True, hyperparameters={"gain": 1.0}))
    model, likelihood = registry.build_model(variant, ImageSpec(1, *size, 2, 2))
    logits = np.random.default_rng(1).normal(size=(2, 1, *size))
    with torch.no_grad():
        model.network.weight.copy_(torch.from_numpy(logits))
    return model, likelihood, logits


def request(model, n, *, seed=0, given=None, temperature=1.0):
    """One of `n` images, with their parameters."""
    image = model.image
    nothing = torch.zeros(n, image.channels, 0, image.width, dtype=torch.long)
    return Request(
        noise=pixel_noise(seed, 0, n, model.image_shape),
        labels=None if image.classes is None else torch.arange(n) % image.classes,
        given=nothing if given is None else given,
        temperature=temperature,
        with_parameters=True,
    )
