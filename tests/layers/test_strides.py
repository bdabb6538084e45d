"""Layers with a stride: what they see, and that a slip of the pen in one of them is noticed."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from support.networks import network

from pixelcnn.incremental import planning
from pixelcnn.incremental.schedules import Group, Rows, Wavefront
from pixelcnn.invariants.before_training import find_leak
from pixelcnn.invariants.coverage import check_coverage
from pixelcnn.invariants.leaks import check_no_leak
from pixelcnn.invariants.sampler import check_fast_sampler
from pixelcnn.layers.base import Chain
from pixelcnn.layers.convolution import CausalConv2d, CausalUpsample, masked_conv
from pixelcnn.layers.pointwise import Activation, Pointwise

SIZE = (6, 7)


def of_stride(stride, down=None, up=None, size=SIZE):
    """A network that works at a coarse resolution only, from other layers if they are given."""
    model, likelihood = network(size=size, levels=3)
    coarse = [-(-side // stride) for side in size]
    model.network = Chain(
        masked_conv(model.inputs, 5, 3, "A"),
        Activation(torch.tanh),
        down or CausalConv2d(5, 5, (-2, 0), (-1, 0), last=0, stride=stride),
        Activation(torch.tanh),
        CausalConv2d(5, 5, (-1, 0), (-1, 1), last=0),
        Activation(torch.tanh),
        up or CausalUpsample(5, 5, (stride, stride), size, stride=stride),
        Pointwise(5, model.parameters_per_pixel),
    ).double()
    assert list(model.network.layers[2](torch.zeros(1, 5, *size).double(), None).shape[2:]) == coarse
    return model, likelihood


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_strides_of_any_factor_are_drawn_exactly(stride):
    model, likelihood = of_stride(stride)
    assert check_no_leak(model).passed and check_coverage(model).passed
    assert [str(r) for r in check_fast_sampler(model, likelihood) if not r.passed] == []


def test_a_kernel_that_is_larger_than_its_stride_adds_up_what_overlaps():
    layer = CausalUpsample(2, 3, (5, 4), (6, 5), stride=2).double()
    x, expected = torch.randn(1, 2, 3, 3).double(), torch.zeros(1, 3, 10, 10).double()
    for row in range(3):
        for column in range(3):
            given = torch.einsum("i,iokl->okl", x[0, :, row, column], layer.weight)
            expected[0, :, 2 * row : 2 * row + 5, 2 * column : 2 * column + 4] += given
    torch.testing.assert_close(layer(x, None), expected[:, :, :6, :5] + layer.bias[:, None, None])


class AtTheWrongCorner(CausalConv2d):
    """What stands at every second row and column from the second on, put where the first ones belong."""

    def forward(self, x, y):
        every = F.conv2d(F.pad(x, (1, 0, 2, 0)), self.weight * self.mask, self.bias)
        return F.pad(every, (0, 1, 0, 1))[:, :, 1::2, 1::2]


def test_a_stride_that_begins_at_the_wrong_corner_leaks():
    wrong = AtTheWrongCorner(5, 5, (-2, 0), (-1, 0), last=0, stride=2)
    model, _ = of_stride(2, down=wrong, size=(6, 8))
    assert not check_no_leak(model).passed and find_leak(model) is not None


def test_up_sampling_that_forgets_the_shift_leaks():
    # As of the stream that knows rows above, where the cell to the right may be read.
    model, _ = of_stride(2, up=CausalUpsample(5, 5, (2, 3), SIZE, first_column=-1))
    assert not check_no_leak(model).passed and find_leak(model) is not None


def test_up_sampling_whose_kernel_is_upside_down_is_not_what_its_taps_say():
    class Flipped(CausalUpsample):
        def forward(self, x, y):
            whole = F.conv_transpose2d(x, self.weight.flip(2), self.bias, self.stride)
            return whole[:, :, : self.size[0], : self.size[1]]

    model, likelihood = of_stride(2, up=Flipped(5, 5, (2, 2), SIZE))
    assert not all(result.passed for result in check_fast_sampler(model, likelihood))


def another_phase(monkeypatch):
    for order in (Rows, Wavefront):
        genuine = order.groups

        def groups(self, front, stride, genuine=genuine):
            found = genuine(self, front, stride)
            return [Group(g.phase, g.front, (g.down + 1) % stride, g.right) for g in found]

        monkeypatch.setattr(order, "groups", groups)


def coarse_rings_too_short(monkeypatch):
    genuine = planning._rings

    def shorter(schedule, entries):
        return {
            number: dataclasses.replace(size, fronts=max(1, size.fronts - 1))
            for number, size in genuine(schedule, entries).items()
        }

    monkeypatch.setattr(planning, "_rings", shorter)


@pytest.mark.parametrize("plant", [another_phase, coarse_rings_too_short])
def test_a_fault_of_the_incremental_form_is_noticed(monkeypatch, plant):
    model, likelihood = network("pixelcnn_pp", size=SIZE)
    assert all(result.passed for result in check_fast_sampler(model, likelihood))
    plant(monkeypatch)
    assert not any(result.passed for result in check_fast_sampler(model, likelihood))


def test_streams_of_two_resolutions_cannot_be_added():
    model, _ = network(size=(6, 6))

    class Adding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = masked_conv(model.inputs, 2, 3, "A")
            self.down = CausalConv2d(2, 2, (0, 0), (0, 0), last=0, stride=2)

        def forward(self, x, y):
            first = self.first(x, y)
            return first + self.down(first, y)

    model.network = Adding()
    with pytest.raises(Exception, match="features of strides 1 and 2 are added"):
        model.bind(Rows(6, 6), 1, None)
