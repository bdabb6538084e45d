"""What is drawn: the probabilities of the model, its temperature, what was given."""

from __future__ import annotations

import pytest
import torch
from support.networks import network, request

from pixelcnn.models import registry
from pixelcnn.sampling.api import sample
from pixelcnn.sampling.fast import ORDERS, FastSampler
from pixelcnn.sampling.reference import ReferenceSampler


def test_samples_have_the_probabilities_of_the_model():
    model, likelihood = network(levels=2, size=(1, 2))
    drawn = sample(model, likelihood, 20_000, seed=0, batch_size=20_000).flatten(1).long()
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x = torch.tensor([a, b]).reshape(1, 1, 1, 2)
        p = likelihood.log_prob(model(x), x).sum().exp().item()
        share = (drawn == torch.tensor([a, b])).all(dim=1).double().mean().item()
        assert share == pytest.approx(p, abs=0.015)


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("rows", [0, 1, 3, 4])
def test_a_completion_keeps_what_was_given_and_draws_the_rest_from_the_model(name, rows):
    model, likelihood = network(name)
    given = torch.randint(0, 3, (4, 1, rows, 5), generator=torch.Generator().manual_seed(0))
    asked = request(model, 4, given=given)
    reference = ReferenceSampler(model, likelihood).draw(asked).images
    assert torch.equal(reference[:, :, :rows], given)
    drawn = likelihood.sample(model(reference), asked.noise)
    assert torch.equal(reference[:, :, rows:], drawn[:, :, rows:])
    for order in ORDERS:
        assert torch.equal(FastSampler(model, likelihood, order).draw(asked).images, reference)
    whole = sample(model, likelihood, 4, seed=0, given=given)
    assert torch.equal(whole.long(), reference)


def test_temperature_divides_the_logits_of_every_pixel():
    model, likelihood = network(levels=3)
    for order in ORDERS:
        drawn = FastSampler(model, likelihood, order).draw(request(model, 5, temperature=0.5))
        params = model(drawn.images)
        assert torch.equal(likelihood.sample(2 * params, request(model, 5).noise), drawn.images)
    cold = sample(model, likelihood, 3, seed=0, temperature=1e-6).long()
    assert torch.equal(model(cold).argmax(dim=1, keepdim=True), cold), "towards 0 the most likely level"
    assert torch.equal(
        sample(model, likelihood, 3, seed=0, temperature=1.0), sample(model, likelihood, 3, seed=0)
    )
