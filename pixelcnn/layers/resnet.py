"""The gated residual block with concat-ELU, of PixelCNN++ and PixelSNAIL, and what their streams begin with.

After Salimans et al. 2017, "PixelCNN++", section 2, and its authors' code.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.incremental.memory import Call
from pixelcnn.incremental.program import Stream
from pixelcnn.layers.base import CausalLayer, Seen, is_free
from pixelcnn.layers.convolution import CausalConv2d, ShiftedConv2d
from pixelcnn.layers.pointwise import Activation, ClassBias, Dropout, concat_elu

#: Numbers so few that a call on a CPU takes as long as its arithmetic.
FEW = 10_000
#: Makes a layer of so many channels in and out.
Convolution = Callable[[int, int], CausalLayer]
#: The weights of a block's last convolution begin so much smaller, so that it begins near the identity.
LAST_GAIN = 0.1


def prepare_concat_elu(x: Tensor, out: Tensor) -> Call:
    """What puts concat-ELU of x [N, C] into `out` [N, 2C].

    Of few numbers by few calls, of many by one exponential for both halves.
    """
    positive, negative = out.chunk(2, dim=1)

    def put_few() -> None:
        positive.copy_(x)
        torch.neg(x, out=negative)
        F.elu_(out)

    def put_many() -> None:
        below = torch.minimum(x, torch.neg(x, out=negative)).expm1_()
        torch.maximum(x, below, out=positive)  # expm1(x) is above x, so this is ELU
        torch.maximum(negative, below, out=negative)

    return put_few if x.numel() < FEW else put_many


_CONCAT_ELU = Activation(concat_elu, prepare_concat_elu)


class Both:
    """Features, and what concat-ELU makes of them: several blocks may read that, so it is computed once."""

    def __init__(self, raw: Any) -> None:
        """`raw` is [N, C, H, W], or what stands for that."""
        self.raw = raw

    @functools.cached_property
    def active(self) -> Any:
        """[N, 2C, H, W]; computed when it is asked for first."""
        return _CONCAT_ELU(self.raw, None)


class GatedResnet(nn.Module):
    """x + a · sigmoid(b), where a and b come from two convolutions of x: [N, C, H, W] -> the same.

    `convolution` makes both. With `beside` it also takes other streams of so many channels each, by a 1x1
    convolution. The label enters before the gate.
    """

    def __init__(
        self,
        channels: int,
        convolution: Convolution,
        classes: int | None,
        *,
        beside: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.first = convolution(2 * channels, channels)
        self.beside = Beside(beside, channels) if beside else None
        self.dropout = Dropout(dropout)
        self.second = convolution(2 * channels, 2 * channels)
        self.label = ClassBias(classes, 2 * channels)
        self.gate = Activation(gated, prepare_gated)
        self.second.gain = LAST_GAIN
        with torch.no_grad():
            for weight in self.second.parameters():
                weight.mul_(LAST_GAIN)

    def forward(self, x: Both, y: Tensor | None, *others: Both) -> Both:
        h = self.first(x.active, y)
        if self.beside is not None:
            h = h + self.beside(tuple(other.active for other in others), y)
        h = self.dropout(Both(h).active, y)
        return Both(x.raw + self.gate(self.label(self.second(h, y), y), y))


class Beside(CausalLayer):
    """1x1 convolution of the concat-ELU of several streams beside each other, each given by itself.

    A tuple of [N, 2C, H, W] -> [N, out, H, W]. The weights are those for concat-ELU of the streams' `concat`:
    first the positive parts of all, then the negative ones.
    """

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * sum(channels), outputs, 1)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]  # it was asked for
        self.channels = tuple(channels)

    def forward(self, x: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        halves = zip(*(part.chunk(2, dim=1) for part in x), strict=True)
        result: Tensor = self.conv(torch.cat([*itertools.chain(*halves)], dim=1) if len(x) > 1 else x[0])
        return result

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        return [(self.conv.weight, None)] if is_free(self.conv) else []

    def normalisable(self) -> tuple[nn.Module, int]:
        return self.conv, 0

    def reach(self, seen: tuple[Seen, ...]) -> Seen:
        return seen[0].beside(seen[1:])

    def incremental(self, x: tuple[Stream, ...], y: Tensor | None) -> Stream:
        """A sum over the streams, so that those which are known early are computed early."""

        def part(number: int) -> Stream:
            bias = self.conv.bias if number == 0 else None
            return x[number].program.linear(x[number], lambda: self._weight_of(number), bias)

        return functools.reduce(Stream.plus, map(part, range(len(x))))

    def _weight_of(self, number: int) -> Tensor:
        """That of one of the streams, [out, 2C]."""
        halves = self.conv.weight[:, :, 0, 0].chunk(2, dim=1)
        return torch.cat([half.split(self.channels, dim=1)[number] for half in halves], dim=1)


def gated(x: Tensor) -> Tensor:
    """First half of the channels · sigmoid(second half): [N, 2C, ...] -> [N, C, ...]."""
    return F.glu(x, dim=1)


def prepare_gated(x: Tensor, out: Tensor) -> Call:
    """What puts the same of x [N, 2C] into `out` [N, C]."""
    value, control = x.chunk(2, dim=1)

    def put() -> None:
        torch.sigmoid(control, out=out)
        out.mul_(value)

    return put


def down_convolution(inputs: int, outputs: int, stride: int = 1) -> CausalConv2d:
    """2x3 over the row above and the own row: for a stream of pixels in rows above, shifted by a row."""
    return CausalConv2d(inputs, outputs, (-1, 0), (-1, 1), last=1, stride=stride)


def down_right_convolution(inputs: int, outputs: int, stride: int = 1) -> CausalConv2d:
    """2x2 over the pixel itself, the one to the left and those above them."""
    return CausalConv2d(inputs, outputs, (-1, 0), (-1, 0), last=0, stride=stride)


class LeftStem(nn.Module):
    """The begin of the stream that sees the row above, three pixels wide, and the two pixels to the left."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.row = ShiftedConv2d(inputs, channels, (-1, -1), (-1, 1), down=1)
        self.column = ShiftedConv2d(inputs, channels, (-1, 0), (-1, -1), right=1)

    def forward(self, x: Any, y: Tensor | None) -> Any:
        return self.row(x, y) + self.column(x, y)
