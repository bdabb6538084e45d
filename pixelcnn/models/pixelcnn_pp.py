"""PixelCNN++ of Salimans, Karpathy, Chen and Kingma 2017, section 2 and their code.

Two streams, shifted once at the input: `above` knows the rows above, `left` also the row itself to the left.
Gated residual blocks with concat-ELU; between groups of them strided convolutions halve the resolution. On
the way back transposed ones double it, and each block has a short-cut from a layer on the way down. The
mixture of logistics is a likelihood and no part of the network. With `place: false` and
`weight_norm: true` the function is the paper's, layer by layer.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.config.fields import at_least
from pixelcnn.layers.base import Chain
from pixelcnn.layers.pointwise import Activation, Pointwise, prepare_elu
from pixelcnn.layers.two_streams import Block, Resize, Stem, grow, shrink
from pixelcnn.layers.weight_norm import weight_normalised
from pixelcnn.models.base import DEEPEST, MOST_DROPPED, WIDEST, AutoregressiveModel

#: From 1024 pixels on a side so many halvings leave one pixel.
MOST_RESOLUTIONS = 11


@dataclass(frozen=True)
class Hyperparameters:
    """`channels` is the width of each stream, `blocks` those of each resolution on the way down."""

    channels: int = at_least(1, 16, WIDEST)
    blocks: int = at_least(1, 1, DEEPEST)
    resolutions: int = at_least(1, 3, MOST_RESOLUTIONS)
    dropout: float = at_least(0.0, 0.0, MOST_DROPPED)
    place: bool = True  # tell the network row and column
    weight_norm: bool = False


class PixelCNNPlusPlus(AutoregressiveModel):
    """Two streams, to coarser resolutions and back."""

    def tells_place(self, hyperparameters: Hyperparameters) -> bool:
        return hyperparameters.place

    def build(self, hyperparameters: Hyperparameters) -> nn.Module:
        hyper, width, classes = hyperparameters, hyperparameters.channels, self.image.classes
        sizes = [(self.image.height, self.image.width)]
        for _ in range(1, hyper.resolutions):
            sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        block = functools.partial(Block, width, classes, hyper.dropout)
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for i, size in enumerate(sizes):
            blocks: list[nn.Module] = [block() for _ in range(hyper.blocks)]
            down += blocks if i == 0 else [shrink(width), *blocks]
            # On the way up a block for each layer that was kept; that before the first is the stem.
            more = [block(short_cut=True) for _ in range(hyper.blocks + (i < len(sizes) - 1))]
            up = [grow(width, size), *more, *up] if i < len(sizes) - 1 else [*more, *up]
        head = Chain(
            Activation(F.elu, prepare_elu), Pointwise(width, self.parameters_per_pixel, gain=0.1, last=True)
        )
        network = DownAndUp(Stem(self.inputs, width), down, up, head)
        return weight_normalised(network) if hyper.weight_norm else network


class DownAndUp(nn.Module):
    """Layers of two streams; each block on the way up is also given what the way down had at its place."""

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
            streams = layer(streams, y) if isinstance(layer, Resize) else layer(streams, y, kept.pop())
        return self.head(streams.left.raw, y)
