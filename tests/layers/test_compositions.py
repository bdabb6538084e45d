"""Any composition of causal layers and sums has a sampler that draws exactly; any other has the slow one."""

from __future__ import annotations

import pytest
import torch
from support.networks import network, request
from torch import nn

from pixelcnn.invariants.coverage import check_coverage
from pixelcnn.invariants.leaks import randomise
from pixelcnn.invariants.sampler import check_fast_sampler
from pixelcnn.layers.attention import CausalSelfAttention
from pixelcnn.layers.base import Chain, Residual
from pixelcnn.layers.convolution import CausalConv2d, masked_conv
from pixelcnn.layers.pointwise import Activation, PixelTable, Pointwise
from pixelcnn.sampling import runs
from pixelcnn.sampling.api import sample
from pixelcnn.sampling.reference import ReferenceSampler


def test_any_composition_of_causal_layers_gets_a_sampler():
    model, likelihood = network(size=(6, 5))
    parameters = model.parameters_per_pixel

    class Branches(nn.Module):
        """Features that come at different times: a look at the row above, and one to the left."""

        def __init__(self):
            super().__init__()
            self.first = masked_conv(model.inputs, 4, 3, "A")
            self.above = CausalConv2d(4, 4, (-2, -1), (-1, 3), last=3)
            self.right = CausalConv2d(model.inputs, 4, (-2, -2), (0, 2), last=2)
            self.out = Chain(Residual(Activation(torch.tanh)), Pointwise(4, parameters))

        def forward(self, x, y):
            first = self.first(x, y)
            return self.out(first + self.above(first, y) + self.right(x, y), y)

    model.network = Branches()
    randomise(model)
    assert [str(r) for r in check_fast_sampler(model, likelihood) if not r.passed] == []
    assert check_coverage(model).passed


def test_features_that_depend_on_no_pixel_can_be_convolved_and_added_late():
    model, likelihood = network(size=(6, 5))
    parameters = model.parameters_per_pixel

    class Placed(nn.Module):
        """What is known of each place, at the pixel and around it; taps that all lie outside, too."""

        def __init__(self):
            super().__init__()
            self.table = PixelTable(None, 4, 6, 5, gain=1.0)
            self.around = masked_conv(4, 4, 3, "B")
            self.outside = CausalConv2d(4, 4, (-6, -6), (-1, 1), last=1)
            self.first = masked_conv(model.inputs, 4, 3, "A")
            self.later = CausalConv2d(4, 4, (0, 0), (-1, -1), last=-1)
            self.out = Pointwise(4, parameters)

        def forward(self, x, y):
            table = self.table(x, y)
            outside = self.outside(table, y)
            known = self.around(table, y) + outside
            return self.out(self.later(self.first(x, y), y) + known + table + self.later(outside, y), y)

    model.network = Placed()
    randomise(model)
    assert [str(r) for r in check_fast_sampler(model, likelihood) if not r.passed] == []


class OwnPixel(Chain):
    """Features see their own pixel; a later layer leaves it out."""

    def __init__(self, inputs, parameters):
        first = [masked_conv(inputs, 6, 3, "B"), Activation(torch.tanh), masked_conv(6, 6, 3, "B")]
        super().__init__(*first, masked_conv(6, 6, 5, "A"), Activation(torch.tanh), Pointwise(6, parameters))


class PixelsToTheRight(nn.Module):
    """A vertical stack that sees its own row to the right, shifted where it joins the horizontal one."""

    def __init__(self, inputs, parameters):
        super().__init__()
        first = CausalConv2d(inputs, 6, (-1, 0), (-1, 1), last=1)
        self.vertical = Chain(first, Activation(torch.tanh), CausalConv2d(6, 6, (-1, 0), (-2, 2), last=2))
        self.shift = CausalConv2d(6, 6, (-1, -1), (-1, 1), last=1)
        self.horizontal = masked_conv(inputs, 6, 3, "A")
        self.out = Chain(Activation(torch.tanh), masked_conv(6, 6, 3, "B"), Pointwise(6, parameters))

    def forward(self, x, y):
        return self.out(self.shift(self.vertical(x, y), y) + self.horizontal(x, y), y)


class AttentionAhead(nn.Module):
    """Attention to features of the rows above alone, which are there early, beside the row itself."""

    def __init__(self, inputs, parameters):
        super().__init__()
        self.attention = Chain(CausalConv2d(inputs, 6, (-1, -1), (-1, 1), last=1), CausalSelfAttention(6, 2))
        self.left = masked_conv(inputs, 6, 3, "A")
        self.shift = CausalConv2d(6, 6, (-2, -1), (-1, 1), last=1)
        self.out = Pointwise(6, parameters)

    def forward(self, x, y):
        attended = self.attention(x, y)
        return self.out(attended + self.left(x, y) + self.shift(attended, y), y)


@pytest.mark.parametrize("many", [1, 64])
@pytest.mark.parametrize("size", [(6, 5), (5, 9), (4, 2), (3, 1), (1, 4)])
@pytest.mark.parametrize("composed", [OwnPixel, PixelsToTheRight, AttentionAhead])
def test_unusual_compositions_are_drawn_exactly(monkeypatch, composed, size, many):
    monkeypatch.setattr(runs, "MANY", many)
    model, likelihood = network(size=size, levels=4)
    model.network = composed(model.inputs, model.parameters_per_pixel)
    randomise(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 3
    assert [str(r) for r in check_fast_sampler(model, likelihood) if not r.passed] == []


class Computing(nn.Module):
    """Does something between two causal layers that no symbol can do."""

    def __init__(self, inputs, compute):
        super().__init__()
        self.compute = compute
        self.first, self.rest = masked_conv(inputs, 4, 3, "A"), Pointwise(4, 3)

    def forward(self, x, y):
        return self.rest(self.compute(self.first(x, y)), y)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x + 1.0,
        lambda x: 1.0 + x,
        lambda x: x + torch.ones(1, 1, 4, 5),
        lambda x: (x > 0) * x,
        lambda x: abs(x),
        lambda x: x // 0.5,
        lambda x: x[:, [1, 0, 3, 2]],
    ],
)
def test_what_is_not_made_of_causal_layers_is_drawn_by_the_reference_sampler(compute):
    model, likelihood = network()
    model.network = Computing(model.inputs, compute).double()
    with pytest.warns(UserWarning, match="slow"):
        drawn = sample(model, likelihood, 2, seed=0)
    assert torch.equal(drawn.long(), ReferenceSampler(model, likelihood).draw(request(model, 2)).images)


def test_a_sum_that_broadcasts_channels_has_no_incremental_form():
    model, likelihood = network()
    first = masked_conv(model.inputs, 1, 3, "A")
    model.network = Chain(first, Residual(Pointwise(1, 4)), Pointwise(4, 3)).double()
    with pytest.warns(UserWarning, match="1 and of 4 channels"):
        sample(model, likelihood, 2, seed=0)
