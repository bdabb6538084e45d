"""The two streams of PixelCNN++ and their blocks, at several resolutions.

Salimans et al. 2017, section 2, and their code.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from pixelcnn.layers.convolution import CausalUpsample, ShiftedConv2d
from pixelcnn.layers.resnet import (
    Both,
    GatedResnet,
    LeftStem,
    down_convolution,
    down_right_convolution,
)


class Streams(NamedTuple):
    """What knows the rows above, and what also knows the row itself to the left."""

    above: Both
    left: Both


class Stem(nn.Module):
    """What both streams begin with: what is above, and what is above or to the left (Salimans et al. 2017).

    The shifts by a row and by a column happen here, once: later layers may read their own place in full.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.above = ShiftedConv2d(inputs, channels, (-2, -1), (-1, 1), down=1)
        self.left = LeftStem(inputs, channels)

    def forward(self, x: Any, y: Tensor | None) -> Streams:
        return Streams(Both(self.above(x, y)), Both(self.left(x, y)))


class Block(nn.Module):
    """A gated residual block of each stream; that of the left one also takes the stream above."""

    def __init__(
        self, channels: int, classes: int | None, dropout: float, *, short_cut: bool = False
    ) -> None:
        super().__init__()
        kept = [channels] if short_cut else []
        self.above = GatedResnet(channels, down_convolution, classes, beside=kept, dropout=dropout)
        left = [channels, *kept]
        self.left = GatedResnet(channels, down_right_convolution, classes, beside=left, dropout=dropout)

    def forward(self, streams: Streams, y: Tensor | None, kept: Streams | None = None) -> Streams:
        if kept is None:
            above = self.above(streams.above, y)
            return Streams(above, self.left(streams.left, y, above))
        above = self.above(streams.above, y, kept.above)
        return Streams(above, self.left(streams.left, y, above, kept.left))


class Resize(nn.Module):
    """Both streams at another resolution."""

    def __init__(self, above: nn.Module, left: nn.Module) -> None:
        super().__init__()
        self.above, self.left = above, left

    def forward(self, streams: Streams, y: Tensor | None) -> Streams:
        return Streams(Both(self.above(streams.above.raw, y)), Both(self.left(streams.left.raw, y)))


def shrink(channels: int) -> Resize:
    """Half the resolution: what is at every second row and column has read its neighbours before it."""
    return Resize(
        down_convolution(channels, channels, stride=2), down_right_convolution(channels, channels, stride=2)
    )


def grow(channels: int, size: tuple[int, int]) -> Resize:
    """Twice the resolution; of sizes that are odd the row or column too many is left out."""
    return Resize(
        CausalUpsample(channels, channels, (2, 3), size, first_column=-1),
        CausalUpsample(channels, channels, (2, 2), size),
    )
