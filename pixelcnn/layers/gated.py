"""The two-stack gated block of van den Oord et al. 2016b, section 2.3, without a blind spot.

The vertical stack sees whole rows above, the horizontal one the row itself to the left and, by a
link, the vertical stack. The vertical stack is shifted down by a row once, at the input: its first
layer reads rows above only. A feature of the vertical stack at row r then knows rows before r, and
later layers may read row r of it in full. Shifting in every layer would bring the blind spot back.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pixelcnn.incremental.program import Stream
from pixelcnn.layers.convolution import CausalConv2d
from pixelcnn.layers.pointwise import ClassBias, Dropout, PixelwiseLayer, Pointwise


class Gate(PixelwiseLayer):
    """tanh(first half of the channels) · sigmoid(second half): [N, 2C, ...] -> [N, C, ...]."""

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return _gate(x)

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        return x.program.map(x, _gate, x.channels // 2)


def _gate(x: Tensor, out: Tensor | None = None) -> Tensor:
    value, control = x.chunk(2, dim=1)
    return torch.mul(torch.tanh(value), torch.sigmoid(control), out=out)


class GatedBlock(nn.Module):
    """(vertical, horizontal) -> (vertical, horizontal), each [N, C, H, W]; with `skip` a sum beside them.

    The first block (`first=True`) takes the raw image for both streams, leaves the pixel itself
    out and has no residual; later ones add the horizontal residual of the paper's figure 2. The paper
    has no dropout. Here it stands after the gate of that residual path, after its first convolution as in
    Salimans et al. 2017, and not in the vertical stack: that has no residual, so what it lost would be
    lost to all later blocks.

    With `skip` each block adds a 1x1 convolution of its gated horizontal features to a sum that goes past
    all blocks to the head (as in WaveNet, van den Oord et al. 2016, figure 4, and in public implementations
    of this paper). The horizontal stream then ends with the `last` block, which adds nothing to it.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        kernel_size: int,
        classes: int | None,
        *,
        first: bool = False,
        last: bool = False,
        skip: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        half = kernel_size // 2
        last_row, last_column = (-1, -1) if first else (0, 0)
        self.first = first
        self.vertical = CausalConv2d(inputs, 2 * channels, (-half, last_row), (-half, half), last=half)
        self.horizontal = CausalConv2d(inputs, 2 * channels, (0, 0), (-half, last_column), last=last_column)
        self.link = Pointwise(2 * channels, 2 * channels)
        self.vertical_bias = ClassBias(classes, 2 * channels)
        self.horizontal_bias = ClassBias(classes, 2 * channels)
        self.gate = Gate()
        self.dropout = Dropout(0.0 if first else dropout)
        self.out = None if skip and last else Pointwise(channels, channels)
        self.skip = Pointwise(channels, channels) if skip else None

    def forward(self, x: tuple[Any, ...], y: Tensor | None) -> tuple[Any, ...]:
        v, h, *skipped = x
        above = self.vertical(v, y)
        left = self.horizontal(h, y) + self.link(above, y)
        gated = self.dropout(self.gate(self.horizontal_bias(left, y), y), y)
        if self.out is not None:
            out = self.out(gated, y)
            h = out if self.first else h + out
        streams = self.gate(self.vertical_bias(above, y), y), h
        if self.skip is None:
            return streams
        skip = self.skip(gated, y)
        return *streams, skipped[0] + skip if skipped else skip


class Fork(nn.Module):
    """One stream becomes both streams of a two-stack network."""

    def forward(self, x: Any, y: Tensor | None) -> tuple[Any, Any]:
        return x, x


class HorizontalStream(nn.Module):
    """The end of a two-stack network: the horizontal stream, which has seen both."""

    def forward(self, x: tuple[Any, ...], y: Tensor | None) -> Any:
        return x[1]


class SkippedStream(nn.Module):
    """The end of a two-stack network with skip connections: their sum."""

    def forward(self, x: tuple[Any, ...], y: Tensor | None) -> Any:
        return x[2]
