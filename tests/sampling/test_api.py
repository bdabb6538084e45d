"""`sample`: reproducible whatever the batches, slow with a warning, progress, and bad requests."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import torch
import torch.nn.functional as F
from support.networks import network, request
from torch import nn

from pixelcnn.layers.base import CausalLayer, Chain
from pixelcnn.models import registry
from pixelcnn.sampling.api import sample
from pixelcnn.sampling.fast import FastSampler
from pixelcnn.system.errors import UserError


@pytest.mark.parametrize("name", registry.names())
def test_every_architecture_has_a_fast_sampler(name):
    model, likelihood = network(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = sample(model, likelihood, 3, seed=0)
    assert drawn.dtype == torch.uint8 and drawn.shape == (3, 1, 4, 5) and int(drawn.max()) < 3


def test_an_image_depends_neither_on_the_batch_nor_on_how_many_are_drawn():
    model, likelihood = network("attention")
    few, many = (sample(model, likelihood, n, seed=1) for n in (2, 7))
    assert torch.equal(few, many[:2])
    assert torch.equal(many, sample(model, likelihood, 7, seed=1, batch_size=3))
    assert not torch.equal(few, sample(model, likelihood, 2, seed=2))


def test_progress_comes_to_all_images():
    model, likelihood = network()
    seen = []
    sample(model, likelihood, 7, seed=0, batch_size=3, on_progress=lambda *at: seen.append(at))
    assert seen == sorted(seen) and seen[-1] == (7, 7) and {total for _, total in seen} == {7}


def test_a_network_without_incremental_form_is_sampled_slowly_with_one_warning():
    model, likelihood = network(size=(3, 4))
    expected = sample(model, likelihood, 4, seed=0)
    inner = model.network

    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x, y):
            return self.inner(F.relu(x) - F.relu(-x), y)

    model.network = Doubled()
    with pytest.warns(UserWarning, match="slow: torch's relu is called outside of a causal layer") as caught:
        drawn = sample(model, likelihood, 4, seed=0, batch_size=2)
    assert len(caught) == 1
    assert torch.equal(drawn, expected)


def test_parameters_are_given_only_if_asked_for():
    model, likelihood = network()
    asked = dataclasses.replace(request(model, 2), with_parameters=False)
    assert FastSampler(model, likelihood).draw(asked).parameters is None


@pytest.mark.parametrize(
    ("conditional", "n", "y", "said"),
    [
        (False, 0, None, "at least 1, got 0"),
        (False, 2, [0, 1], "unconditional"),
        (True, 2, None, r"needs labels, one of 0\.\.1"),
        (True, 2, [0], "2 labels"),
        (True, 2, [0, 2], r"0\.\.1, got 0\.\.2"),
        (True, 2, [-1, 0], r"0\.\.1, got -1"),
    ],
)
def test_bad_requests_are_refused(conditional, n, y, said):
    model, likelihood = network(conditional=conditional)
    with pytest.raises(UserError, match=said):
        sample(model, likelihood, n, seed=0, y=None if y is None else torch.tensor(y))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"temperature": 0.0}, r"temperature must lie between 1e-06 and 1e\+06, got 0\.0"),
        ({"batch_size": 0}, "batch size must be at least 1, got 0"),
        ({"given": torch.zeros(2, 1, 5, 5).long()}, r"\[2, 1, rows up to 4, 5\], got \[2, 1, 5, 5\]"),
        ({"given": torch.zeros(3, 1, 2, 5).long()}, r"got \[3, 1, 2, 5\]"),
        ({"given": torch.zeros(2, 2, 5).long()}, r"got \[2, 2, 5\]"),
        ({"given": torch.full((2, 1, 2, 5), 3)}, r"levels 0\.\.2, got 3\.\.3"),
        ({"given": torch.zeros(2, 1, 2, 5)}, "integers"),
    ],
)
def test_other_bad_requests_are_refused(how, said):
    model, likelihood = network()
    with pytest.raises(UserError, match=said):
        sample(model, likelihood, 2, seed=0, **how)


class Own(CausalLayer):
    """A layer of a user's own; `incremental` adds what a test gives it."""

    def __init__(self, add):
        super().__init__()
        self.add = add

    def forward(self, x, y):
        return x

    def incremental(self, x, y):
        return self.add(x)


@pytest.mark.parametrize(
    ("add", "said"),
    [
        (
            lambda x: x.program.relu(x.chanel),
            "Own.incremental fails: AttributeError: .* did you mean 'channels'",
        ),
        (lambda x: (x, x), "Own.incremental fails: TypeError: expected a Stream, got tuple"),
        (
            lambda x: x.program.map(x, lambda values, out: out.copy_(values[1:]), x.channels),
            "PixelCNN, drawing with the incremental form of its network fails: RuntimeError: ",
        ),
        (
            lambda x: x.program.linear(x, lambda: torch.ones(3, 99).double(), None),
            "PixelCNN, drawing with the incremental form of its network fails: RuntimeError: ",
        ),
    ],
)
def test_a_broken_layer_is_one_message_and_no_slow_sampling(add, said):
    model, likelihood = network()
    model.network = Chain(model.network, Own(add))
    with warnings.catch_warnings(), pytest.raises(UserError, match=said) as caught:
        warnings.simplefilter("error")
        sample(model, likelihood, 2, seed=0)
    assert "\n" not in str(caught.value)


def test_memory_that_runs_out_is_not_the_fault_of_a_layer():
    def run_out(values, out):
        raise torch.OutOfMemoryError("CUDA out of memory")

    model, likelihood = network()
    model.network = Chain(model.network, Own(lambda x: x.program.map(x, run_out, x.channels)))
    with pytest.raises(torch.OutOfMemoryError):
        sample(model, likelihood, 2, seed=0)
