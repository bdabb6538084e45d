"""PixelCNN++ of Salimans, Karpathy, Chen and Kingma 2017, section 2 and their code.

Two streams, shifted once at the input: `above` knows the rows above, `left` also the row itself to the left.
Gated residual blocks with concat-ELU; between groups of them strided convolutions halve the resolution. On
the way back transposed ones double it, and each block has a short-cut from a layer on the way down. The
mixture of logistics is a likelihood and no part of the network. With `place: false` the function is the
paper's, layer by layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.config.fields import at_least
from pixelcnn.layers.base import Chain, concat
from pixelcnn.layers.convolution import CausalUpsample
from pixelcnn.layers.pointwise import Activation, Pointwise
from pixelcnn.layers.resnet import GatedResnet, TwoStreamStem, down_convolution, down_right_convolution
from pixelcnn.models.base import DEEPEST, WIDEST, AutoregressiveModel

#: From 1024 pixels on a side so many halvings leave one pixel.
MOST_RESOLUTIONS = 11


@dataclass(frozen=True)
class Hyperparameters:
    """`channels` is the width of each stream, `blocks` those of each resolution on the way down."""

    channels: int = at_least(1, 16, WIDEST)
    blocks: int = at_least(1, 1, DEEPEST)
    resolutions: int = at_least(1, 3, MOST_RESOLUTIONS)
    dropout: float = at_least(0, 0.0, 0.99)
    place: bool = True


class PixelCNNPlusPlus(AutoregressiveModel):
    """Two streams, to coarser resolutions and back."""

    def build(self, hyperparameters: Hyperparameters) -> nn.Module:
        hyper, width, classes = hyperparameters, hyperparameters.channels, self.image.classes
        sizes = [(self.image.height, self.image.width)]
        for _ in range(1, hyper.resolutions):
            sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for i, _ in enumerate(sizes):
            blocks = [Block(width, classes, hyper.dropout) for _ in range(hyper.blocks)]
            down += blocks if i == 0 else [Shrink(width), *blocks]
        for i, size in enumerate(reversed(sizes)):
            count = hyper.blocks + (i > 0)
            blocks = [Block(width, classes, hyper.dropout, short_cut=True) for _ in range(count)]
            up += blocks if i == 0 else [Grow(width, size), *blocks]
        head = Chain(Activation(F.elu), Pointwise(width, self.parameters_per_pixel, gain=0.1, last=True))
        return DownAndUp(TwoStreamStem(self.inputs, width), down, up, head)


class DownAndUp(nn.Module):
    """Layers of two streams, each on the way up with what the way down had there; the left stream's head."""

    def __init__(self, stem: nn.Module, down: list[nn.Module], up: list[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem, self.down, self.up, self.head = stem, nn.ModuleList(down), nn.ModuleList(up), head

    def forward(self, x: Any, y: Tensor | None) -> Any:
        streams = self.stem(x, y)
        kept = [streams]
        for layer in self.down:
            streams = layer(streams, y)
            kept.append(streams)
        streams = kept.pop()
        for layer in self.up:
            streams = layer(streams, y) if isinstance(layer, Grow) else layer(streams, y, kept.pop())
        return self.head(streams[1], y)


class Block(nn.Module):
    """A gated residual block of each stream; that of the left one also takes the stream above."""

    def __init__(
        self, channels: int, classes: int | None, dropout: float, *, short_cut: bool = False
    ) -> None:
        super().__init__()
        beside = channels if short_cut else 0
        self.above = GatedResnet(channels, down_convolution, classes, beside=beside, dropout=dropout)
        self.left = GatedResnet(
            channels, down_right_convolution, classes, beside=channels + beside, dropout=dropout
        )

    def forward(self, streams: tuple[Any, Any], y: Tensor | None, kept: Any = None) -> tuple[Any, Any]:
        above, left = streams
        if kept is None:
            above = self.above(above, y)
            return above, self.left(left, y, above)
        above = self.above(above, y, kept[0])
        return above, self.left(left, y, concat(above, kept[1]))


class Shrink(nn.Module):
    """Half the resolution: what is at every second row and column has read its neighbours before it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.above = down_convolution(channels, channels, stride=2)
        self.left = down_right_convolution(channels, channels, stride=2)

    def forward(self, streams: tuple[Any, Any], y: Tensor | None) -> tuple[Any, Any]:
        return self.above(streams[0], y), self.left(streams[1], y)


class Grow(nn.Module):
    """Twice the resolution; a row or column too many, of sizes that are odd, is left out."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.above = CausalUpsample(channels, channels, (2, 3), size, first_column=-1)
        self.left = CausalUpsample(channels, channels, (2, 2), size)

    def forward(self, streams: tuple[Any, Any], y: Tensor | None) -> tuple[Any, Any]:
        return self.above(streams[0], y), self.left(streams[1], y)
