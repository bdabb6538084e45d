"""The gated residual block with concat-ELU, of PixelCNN++ and PixelSNAIL, and what their streams begin with.

After Salimans et al. 2017, "PixelCNN++", section 2, and its authors' code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.layers.base import CausalLayer
from pixelcnn.layers.convolution import CausalConv2d
from pixelcnn.layers.pointwise import Activation, ClassBias, Dropout, Pointwise, concat_elu

#: Makes a layer of so many channels in and out.
Convolution = Callable[[int, int], CausalLayer]
#: The weights of a block's last convolution begin so much smaller, so that it begins near the identity.
LAST_GAIN = 0.1


class GatedResnet(nn.Module):
    """x + a · sigmoid(b), where a and b come from two convolutions of x: [N, C, H, W] -> the same.

    `convolution` makes both. With `beside` it also takes features of so many channels of another stream, by a
    1x1 convolution. The label enters before the gate.
    """

    def __init__(
        self,
        channels: int,
        convolution: Convolution,
        classes: int | None,
        *,
        beside: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = Activation(concat_elu)
        self.first = convolution(2 * channels, channels)
        self.beside = Pointwise(2 * beside, channels) if beside else None
        self.dropout = Dropout(dropout)
        self.second = convolution(2 * channels, 2 * channels)
        self.label = ClassBias(classes, 2 * channels)
        self.gate = Activation(_gated)
        self.second.gain = LAST_GAIN
        with torch.no_grad():
            for weight in self.second.parameters():
                weight.mul_(LAST_GAIN)

    def forward(self, x: Any, y: Tensor | None, other: Any = None) -> Any:
        h = self.first(self.activation(x, y), y)
        if self.beside is not None:
            h = h + self.beside(self.activation(other, y), y)
        h = self.dropout(self.activation(h, y), y)
        return x + self.gate(self.label(self.second(h, y), y), y)


def _gated(x: Tensor) -> Tensor:
    return F.glu(x, dim=1)


def down_convolution(inputs: int, outputs: int) -> CausalConv2d:
    """2x3 over the row above and the own row: for a stream of pixels in rows above, shifted by a row."""
    return CausalConv2d(inputs, outputs, (-1, 0), (-1, 1), last=1)


def down_right_convolution(inputs: int, outputs: int) -> CausalConv2d:
    """2x2 over the pixel itself, the one to the left and those above them."""
    return CausalConv2d(inputs, outputs, (-1, 0), (-1, 0), last=0)


class TwoStreamStem(nn.Module):
    """What both streams begin with: what is above, and what is above or to the left (Salimans et al. 2017).

    The shifts by a row and by a column happen here, once: later layers may read their own place in full.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.above = CausalConv2d(inputs, channels, (-2, -1), (-1, 1), last=1)
        self.left = LeftStem(inputs, channels)

    def forward(self, x: Any, y: Tensor | None) -> tuple[Any, Any]:
        return self.above(x, y), self.left(x, y)


class LeftStem(nn.Module):
    """The begin of the stream that sees the row above, three pixels wide, and the two pixels to the left."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.row = CausalConv2d(inputs, channels, (-1, -1), (-1, 1), last=1)
        self.column = CausalConv2d(inputs, channels, (-1, 0), (-1, -1), last=-1)

    def forward(self, x: Any, y: Tensor | None) -> Any:
        return self.row(x, y) + self.column(x, y)
