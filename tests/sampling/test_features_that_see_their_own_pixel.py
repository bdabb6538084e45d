"""A row drawn again is computed again from the first feature on that sees a change, its own pixel's too."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from support.networks import request

from pixelcnn.invariants.leaks import randomise
from pixelcnn.layers.base import Chain
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.layers.pointwise import Activation
from pixelcnn.likelihoods.categorical import Categorical
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.sampling.fast import FastSampler
from pixelcnn.sampling.reference import ReferenceSampler


@dataclass(frozen=True)
class Hyperparameters:
    pass


class MaskBFirst(AutoregressiveModel):
    """Features hold their own pixel; only the last layer leaves it out."""

    def build(self, hyperparameters):
        return Chain(
            masked_conv(self.inputs, 4, 3, "B"),
            Activation(torch.tanh),
            masked_conv(4, self.parameters_per_pixel, 3, "A"),
        )


@pytest.mark.parametrize("order", ["rows", "wavefront"])
@pytest.mark.parametrize("images", [3, 70])
def test_such_a_network_draws_the_images_of_the_reference_sampler(order, images):
    model = randomise(MaskBFirst(Hyperparameters(), ImageSpec(1, 5, 6, 4), Categorical(4)))
    for weight in model.parameters():
        weight.data *= 3  # pixels that depend strongly on each other
    likelihood = model.likelihood
    asked = request(model, images)
    expected = ReferenceSampler(model, likelihood).draw(asked)
    drawn = FastSampler(model, likelihood, order).draw(asked)
    assert torch.equal(drawn.images, expected.images)
