"""Layers that look at one pixel at a time: their reach is what their input sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.incremental.memory import Call
from pixelcnn.incremental.program import Stream
from pixelcnn.layers.base import CausalLayer, Seen, is_free


class PixelwiseLayer(CausalLayer):
    """A layer that looks at one pixel at a time: a feature sees what its input sees."""

    def reach(self, seen: Seen) -> Seen:
        return seen


class Activation(PixelwiseLayer):
    """A non-linearity of the channels of each pixel, ReLU unless told otherwise.

    `function` maps [N, C, ...] to [N, C', ...] and treats all positions alike, as an elementwise
    function or a gate that splits the channels does. `prepare` is for sampling: prepare(x, out) gives what
    puts the same of pixels [N, C] into `out`.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor] = torch.relu,
        prepare: Callable[[Tensor, Tensor], Call] | None = None,
    ) -> None:
        super().__init__()
        self.function, self.prepare = function, prepare

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.function(x)

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        if self.function is torch.relu:
            return x.program.relu(x)
        channels = self.function(x.program.like.new_zeros(1, x.channels)).shape[1]
        if self.prepare is not None:
            return x.program.prepared_map(x, self.prepare, channels)
        return x.program.map(x, self._into, channels)

    def _into(self, values: Tensor, out: Tensor) -> None:
        out.copy_(self.function(values))


def concat_elu(x: Tensor) -> Tensor:
    """ELU of x beside that of -x: [N, C, ...] -> [N, 2C, ...] (Salimans et al. 2017, their code)."""
    return F.elu(torch.cat([x, -x], dim=1))


def prepare_elu(x: Tensor, out: Tensor) -> Call:
    """What puts ELU of x into `out`."""
    return partial(torch.ops.aten.elu.out, x, out=out)


def prepare_gelu(x: Tensor, out: Tensor) -> Call:
    """What puts GELU of x into `out`."""
    return partial(torch.ops.aten.gelu.out, x, out=out)


class LayerNorm(PixelwiseLayer):
    """The channels of each pixel with mean 0 and variance 1, then scaled and shifted (Ba et al. 2016).

    [N, C, H, W] -> the same, with the precision of its weights.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        by_pixel = x.permute(0, 2, 3, 1).to(self.norm.weight.dtype)
        result: Tensor = self.norm(by_pixel).permute(0, 3, 1, 2)
        return result

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        norm = self.norm

        def into(values: Tensor, out: Tensor) -> None:
            out.copy_(F.layer_norm(values, norm.normalized_shape, norm.weight, norm.bias, norm.eps))

        return x.program.map(x, into, x.channels)


class Dropout(PixelwiseLayer):
    """Each feature zero with probability `rate` while it trains, the others scaled up; else nothing.

    Srivastava et al. 2014. Draws from torch's own generator of the features' device.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return F.dropout(x, self.rate, self.training) if self.rate > 0 else x

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        return x


def dropped(rate: float) -> tuple[Dropout, ...]:
    """Dropout as a part of a chain; none at a rate of 0, so that weights are called as they were without."""
    return (Dropout(rate),) if rate > 0 else ()


class Pointwise(PixelwiseLayer):
    """1x1 convolution: [N, in, H, W] -> [N, out, H, W].

    `gain` scales the initial weights; a small one at the last layer makes the first loss that of a
    uniform guess, dims · ln(levels). `last` says that it is that one; see `matrices`.
    """

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0, *, last: bool = False) -> None:
        super().__init__()
        self.last, self.gain = last, gain
        self.conv = nn.Conv2d(inputs, outputs, 1)
        with torch.no_grad():
            self.conv.weight.mul_(gain)
            self.conv.bias.zero_()  # type: ignore[union-attr]  # it was asked for

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        result: Tensor = self.conv(x)
        return result

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        return [] if self.last or not is_free(self.conv) else [(self.conv.weight, None)]

    def normalisable(self) -> tuple[nn.Module, int]:
        return self.conv, 0

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        return x.program.linear(x, lambda: self.conv.weight[:, :, 0, 0], self.conv.bias)


class ClassBias(PixelwiseLayer):
    """Adds a learned vector per class to every pixel (van den Oord et al. 2016b, eq. 4).

    With `classes=None` it does nothing and has no parameters, so that an architecture is written
    once for both cases.
    """

    def __init__(self, classes: int | None, channels: int) -> None:
        super().__init__()
        self.bias = None if classes is None else nn.Parameter(0.1 * torch.randn(classes, channels))

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return x if self.bias is None else x + self.bias[y][:, :, None, None]

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        if self.bias is None:
            return x
        bias = self.bias
        return x.program.add_per_image(x, lambda: bias[y])


class ClassMap(PixelwiseLayer):
    """Adds what a class asks for at each place (van den Oord et al. 2016b, section 2.3).

    Each class has `maps` learned maps of GRID x GRID points, spread over the image bilinearly (the paper
    has a deconvolution here) and mixed into the channels by a 1x1 convolution without bias. How many
    parameters that takes does not depend on the image's size. Nothing without classes or maps.
    """

    GRID = 7

    def __init__(self, classes: int | None, maps: int, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.maps = None
        if classes is None or maps == 0:
            return
        self.maps = nn.Parameter(0.3 * torch.randn(classes, maps, self.GRID, self.GRID))
        self.mix = nn.Parameter(torch.randn(channels, maps) / math.sqrt(3 * maps))
        # Matrices, since the backward pass of torch's interpolation sums in any order on a GPU.
        self.rows: Tensor
        self.columns: Tensor
        self.register_buffer("rows", _bilinear(height, self.GRID), persistent=False)
        self.register_buffer("columns", _bilinear(width, self.GRID), persistent=False)

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return x if self.maps is None else x + self._map(y)

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        if self.maps is None:
            return x
        return x.program.add(x, x.program.known(len(self.mix), lambda: self._map(y), x.stride))

    def _map(self, y: Tensor | None) -> Tensor:
        """[N, channels, H, W]."""
        assert self.maps is not None
        # Few classes: each map is spread once, not once an image.
        spread = self.rows @ torch.einsum("cm,kmgh->kcgh", self.mix, self.maps) @ self.columns.T
        return spread[y]


def _bilinear(length: int, points: int) -> Tensor:
    """[length, points]: the weights of points, evenly spread over a side, at each of its pixels."""
    identity = torch.eye(points)[:, None]
    return F.interpolate(identity, length, mode="linear", align_corners=False)[:, 0].T.contiguous()


class PixelTable(CausalLayer):
    """Free parameters at every pixel, [N, P, H, W] whatever the input: no pixel sees another.

    `gain` multiplies the stored weights, so that a learning rate made for networks moves them
    far enough: counts of thousands of images ask for log-odds near ±8.
    """

    def __init__(self, classes: int | None, parameters: int, height: int, width: int, gain: float) -> None:
        super().__init__()
        self.gain = gain
        self.weight = nn.Parameter(torch.zeros(classes or 1, parameters, height, width))

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self._table(len(x), y)

    def reach(self, seen: Seen) -> Seen:
        return Seen(torch.zeros_like(seen.sets))

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        return x.program.known(self.weight.shape[1], lambda: self._table(x.program.images, y))

    def _table(self, images: int, y: Tensor | None) -> Tensor:
        table = self.gain * self.weight
        return table.expand(images, -1, -1, -1) if y is None else table[y]
