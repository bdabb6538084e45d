"""Attention to the pixels before one's own, against sums written out pixel by pixel."""

from __future__ import annotations

import pytest
import torch
from support.networks import network

from pixelcnn.incremental import attending
from pixelcnn.invariants.leaks import randomise
from pixelcnn.invariants.sampler import check_fast_sampler
from pixelcnn.layers.attention import QUERIES, StrictAttention, causally_attended
from pixelcnn.layers.base import Seen, concat, identity_reach
from pixelcnn.layers.convolution import CausalConv2d, masked_conv
from pixelcnn.layers.pointwise import Activation, Pointwise


def written_out(layer, x, image):
    """What the layer says that it gives, [N, heads · value, H, W]."""
    heads, (n, _, height, width) = layer.heads, x.shape
    q, kv = layer.to_queries(x).flatten(2), layer.to_keys_and_values(image).flatten(2)
    result = torch.zeros(n, heads.count, heads.value, height * width, dtype=x.dtype)
    q = q.view(n, heads.count, heads.key, -1)
    keys = kv[:, : heads.count * heads.key].view(n, heads.count, heads.key, -1)
    values = kv[:, heads.count * heads.key :].view(n, heads.count, heads.value, -1)
    for i in range(1, height * width):
        weights = torch.exp((q[..., i, None] * keys[..., :i]).sum(2) / heads.key**0.5)
        result[..., i] = (values[..., :i] * weights[:, :, None]).sum(3) / weights.sum(2)[..., None]
    return result.flatten(1, 2).unflatten(2, (height, width))


@pytest.mark.parametrize("size", [(3, 4), (1, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize(("heads", "key", "value"), [(1, 4, 2), (2, 3, 3), (3, 2, 5)])
def test_it_is_what_is_written_out_pixel_by_pixel(size, heads, key, value):
    torch.manual_seed(0)
    layer = StrictAttention(3, 2, heads=heads, key_size=key, value_size=value).double()
    x, image = torch.randn(2, 3, *size).double(), torch.randn(2, 2, *size).double()
    torch.testing.assert_close(layer((x, image), None), written_out(layer, x, image))


def test_no_number_is_nan_in_half_precision_or_backwards():
    layer = StrictAttention(3, 2, heads=1, key_size=4, value_size=2)
    x, image = torch.randn(2, 3, 4, 4), torch.randn(2, 2, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer((x, image), None)
    torch.testing.assert_close(found.float(), written_out(layer, x, image), rtol=0, atol=0.05)
    found.sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in layer.parameters())


@pytest.mark.parametrize("pixels", [0, 1, 5, QUERIES, QUERIES + 1, 2 * QUERIES + 7])
@pytest.mark.parametrize("scale", [None, 0.7])
def test_training_in_bfloat16_attends_as_float64_does(pixels, scale):
    torch.manual_seed(0)
    rounded = [torch.randn(2, 3, pixels, 8).bfloat16() for _ in range(4)]  # the last one is the gradient
    exact = [part.double().requires_grad_() for part in rounded[:3]]
    weights = (exact[0] @ exact[1].mT * (scale or 8**-0.5)).masked_fill(
        ~torch.ones(pixels, pixels, dtype=torch.bool).tril(), -torch.inf
    )
    expected = weights.softmax(3) @ exact[2]
    parts = [part.clone().requires_grad_() for part in rounded[:3]]
    with torch.autocast("cpu", torch.bfloat16):
        found = causally_attended(*parts, scale)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.03)
    found.backward(rounded[3])
    expected.backward(rounded[3].double())
    for part, other in zip(parts, exact, strict=True):
        torch.testing.assert_close(part.grad.double(), other.grad, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("of_keys", [False, True])
def test_it_sees_what_it_says(of_keys):
    layer = StrictAttention(2, 2, heads=1, key_size=2, value_size=2).double()
    nothing, own = Seen(torch.zeros(2, 3, 6, dtype=torch.bool)), identity_reach(2, 3)
    said = layer.reach((nothing, own) if of_keys else (own, nothing)).sets.view(6, 6)
    streams = torch.randn(2, 6, 2, 2, 3).double()  # queries and keys, in which one pixel is another each time
    streams[:] = streams[:, :1].clone()
    before = layer((streams[0], streams[1]), None)
    streams[int(of_keys)].flatten(2)[torch.arange(6), :, torch.arange(6)] += 1
    moved = (layer((streams[0], streams[1]), None) != before).any(1).flatten(1)
    assert torch.equal(moved.T, said)


class Streams(torch.nn.Module):
    """Keys that are earlier than queries, as early, or later: `keys` makes them of the image."""

    def __init__(self, inputs, parameters, keys):
        super().__init__()
        self.keys, self.left = keys, masked_conv(inputs, 4, 3, "A")
        width = 4 + inputs if keys is None else 4
        self.attention = StrictAttention(4, width, heads=2, key_size=2, value_size=3)
        self.tanh, self.out = Activation(torch.tanh), Pointwise(10, parameters)

    def forward(self, x, y):
        left = self.tanh(self.left(x, y), y)
        keys = concat(left, x) if self.keys is None else self.keys(x, y)
        return self.out(concat(left, self.attention((left, keys), y)), y)


KEYS = {
    "own": None,
    "above": lambda inputs: CausalConv2d(inputs, 4, (-1, -1), (-1, 1), last=1),
    "left": lambda inputs: masked_conv(inputs, 4, 3, "A"),
}


def failures_of_sampling(keys, size):
    model, likelihood = network(size=size, levels=4)
    made = KEYS[keys] and KEYS[keys](model.inputs)
    model.network = Streams(model.inputs, model.parameters_per_pixel, made)
    randomise(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 3
    return [str(result) for result in check_fast_sampler(model, likelihood) if not result.passed]


@pytest.mark.parametrize("size", [(4, 5), (3, 1), (1, 4)])
@pytest.mark.parametrize("keys", KEYS)
def test_it_is_drawn_exactly_whenever_keys_are_there(keys, size):
    assert failures_of_sampling(keys, size) == []


def test_a_sampler_whose_pixels_attend_to_themselves_is_caught_and_ends(monkeypatch):
    genuine = attending.Attend
    planted = lambda **fields: genuine(**{**fields, "strict": False})  # noqa: E731
    monkeypatch.setattr(attending, "Attend", planted)
    assert any("a row never settles" in failure for failure in failures_of_sampling("own", (4, 5)))
