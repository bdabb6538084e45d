"""Which pixels see which, against an independent oracle, and planted leaks that the check must see."""

from __future__ import annotations

import itertools

import pytest
import torch.nn.functional as F
from support.networks import DILATED, randomised
from support.small import SMALL

from pixelcnn.invariants.coverage import check_coverage
from pixelcnn.invariants.leaks import check_no_leak, influence, randomise
from pixelcnn.layers import attention
from pixelcnn.layers.attention import CausalSelfAttention
from pixelcnn.layers.base import Chain
from pixelcnn.layers.convolution import CausalConv2d
from pixelcnn.layers.gated import GatedBlock
from pixelcnn.layers.pointwise import Pointwise
from pixelcnn.layers.sequence import PreviousPixel
from pixelcnn.models import registry


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (9, 1), (4, 11)])
@pytest.mark.parametrize("name", registry.names())
def test_no_leak_at_odd_sizes(name, size):
    network, _ = randomised(name, size=size)
    assert check_no_leak(network).passed
    assert check_coverage(network).passed


def stack_oracle(layers, height, width):
    """Sets of pixels seen, propagated from kernel sizes, masks and dilations alone.

    `layers` are (kernel size, mask, dilation, is residual) of a plain masked stack.
    """
    seen = {(r, c): {(r, c)} for r in range(height) for c in range(width)}
    for kernel, mask, dilation, residual in layers:
        half, result = kernel // 2, {}
        for r, c in seen:
            result[r, c] = set(seen[r, c]) if residual else set()
            for i, j in itertools.product(range(-half, half + 1), repeat=2):
                in_mask = i < 0 or (i == 0 and (j < 0 or (j == 0 and mask == "B")))
                if in_mask and (place := (r + dilation * i, c + dilation * j)) in seen:
                    result[r, c] |= seen[place]
        seen = result
    return seen


def measured_sets(network):
    h, w = network.image.height, network.image.width
    table = influence(network).reshape(h, w, h, w)
    return {
        (r, c): {(int(i), int(j)) for i, j in table[r, c].nonzero()}
        for r, c in itertools.product(range(h), range(w))
    }


@pytest.mark.parametrize(
    ("hyperparameters", "dilations"), [(SMALL["pixelcnn"], [1, 1]), (DILATED, [1, 2, 4])]
)
def test_plain_stacks_see_what_an_independent_oracle_says(hyperparameters, dilations):
    network, _ = randomised("pixelcnn", hyperparameters, size=(9, 9))
    layers = [(5, "A", 1, False)] + [(3, "B", dilation, True) for dilation in dilations]
    assert measured_sets(network) == stack_oracle(layers, 9, 9)


def test_a_plain_stack_has_a_blind_spot_and_two_gated_stacks_have_none():
    size, centre = (7, 9), (4, 4)
    earlier = {(r, c) for r, c in itertools.product(range(4), range(9))} | {(4, c) for c in range(4)}
    plain, _ = randomised("pixelcnn", {**SMALL["pixelcnn"], "first_kernel_size": 3, "blocks": 8}, size=size)
    assert (3, 8) in earlier - measured_sets(plain)[centre], "upper right, beyond the diagonal"
    gated, _ = randomised("gated", {**SMALL["gated"], "first_kernel_size": 3, "blocks": 6}, size=size)
    assert measured_sets(gated)[centre] == earlier


def test_attention_reaches_pixels_that_its_convolutions_cannot():
    size = (9, 9)
    hyperparameters = {**SMALL["attention"], "blocks": 1, "attention_every": 1, "first_kernel_size": 3}
    with_attention, _ = randomised("attention", hyperparameters, size=size)
    assert (0, 0) in measured_sets(with_attention)[8, 8]
    assert (0, 0) not in stack_oracle([(3, "A", 1, False), (3, "B", 1, True)], 9, 9)[8, 8]


def plant_mask_off_by_one(monkeypatch, network):
    first = next(layer for layer in network.modules() if isinstance(layer, CausalConv2d))
    first.mask.fill_(1)
    first.is_dense = True


def plant_attention_to_later_pixels(monkeypatch, network):
    genuine = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda q, k, v, **_: genuine(q, k, v))


def plant_attention_on_raw_pixels(monkeypatch, network):
    # Without a mask-A layer before it, a pixel attends to its own raw value.
    attention = CausalSelfAttention(network.inputs, 1)
    network.network = Chain(attention, Pointwise(network.inputs, network.parameters_per_pixel))
    randomise(network)


def plant_keys_of_ones_own_pixel(monkeypatch, network):
    def with_oneself(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    monkeypatch.setattr(attention, "strictly_attended", with_oneself)


def plant_pixel_not_shifted(monkeypatch, network):
    previous = next(layer for layer in network.modules() if isinstance(layer, PreviousPixel))
    previous.forward = lambda x, y: previous.conv(x)


def plant_horizontal_stack_sees_its_pixel(monkeypatch, network):
    first = next(layer for layer in network.modules() if isinstance(layer, GatedBlock))
    first.horizontal = CausalConv2d(network.inputs, first.horizontal.weight.shape[0], (0, 0), (-2, 0), last=0)
    randomise(network)


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("pixelcnn", plant_mask_off_by_one),
        ("attention", plant_attention_to_later_pixels),
        ("attention", plant_attention_on_raw_pixels),
        ("pixelsnail", plant_keys_of_ones_own_pixel),
        ("transformer", plant_pixel_not_shifted),
        ("gated", plant_horizontal_stack_sees_its_pixel),
    ],
)
def test_a_planted_leak_is_caught(monkeypatch, name, plant):
    network, _ = randomised(name)
    assert check_no_leak(network).passed
    plant(monkeypatch, network)
    result = check_no_leak(network)
    assert not result.passed and "changes the parameters" in result.detail


def later_blocks(network):
    return [layer for layer in network.modules() if isinstance(layer, GatedBlock) and not layer.first]


def test_a_vertical_stack_shifted_in_every_layer_is_caught():
    network, _ = randomised("gated", {**SMALL["gated"], "first_kernel_size": 3, "blocks": 3}, size=(7, 9))
    assert check_coverage(network).passed
    for block in later_blocks(network):
        genuine = block.vertical.forward
        block.vertical.forward = lambda v, y, genuine=genuine: genuine(F.pad(v, (0, 0, 1, -1)), y)
    assert check_no_leak(network).passed, "it leaks nothing, it only sees less"
    assert not check_coverage(network).passed


def test_a_vertical_stack_that_never_reads_its_own_row_has_the_blind_spot_again():
    network, _ = randomised("gated", {**SMALL["gated"], "first_kernel_size": 3, "blocks": 6}, size=(7, 9))
    for block in later_blocks(network):
        block.vertical = CausalConv2d(5, 10, (-1, -1), (-1, 1), last=1)
    assert (3, 8) not in measured_sets(randomise(network))[4, 4]


def test_a_mask_that_hides_too_much_is_caught():
    network, _ = randomised("pixelcnn")
    second = [layer for layer in network.modules() if isinstance(layer, CausalConv2d)][1]
    second.mask[0, -1] = 0
    assert not check_coverage(network).passed


def test_what_attention_hardly_sees_under_large_weights_is_an_influence():
    model, _ = randomised("pixelsnail", {}, levels=5, size=(9, 8))
    assert check_coverage(model).passed
