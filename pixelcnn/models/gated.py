"""Gated PixelCNN of van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders".

Section 2: two stacks without a blind spot, gated activations, class bias in every block. The head
reads the last horizontal stream, or with `skip` the sum of what every block gives for it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from torch import nn

from pixelcnn.config.fields import added, at_least
from pixelcnn.layers.base import Chain
from pixelcnn.layers.gated import Fork, GatedBlock, HorizontalStream, SkippedStream
from pixelcnn.layers.weight_norm import weight_normalised
from pixelcnn.models.base import (
    DEEPEST,
    LARGEST_KERNEL,
    MOST_DROPPED,
    WIDEST,
    AutoregressiveModel,
    require_odd,
)
from pixelcnn.models.pixelcnn import head


@dataclass(frozen=True)
class Hyperparameters:
    """`channels` is the width of each of the two streams."""

    channels: int = at_least(1, 24, WIDEST)
    blocks: int = at_least(0, 5, DEEPEST)
    first_kernel_size: int = at_least(3, 7, LARGEST_KERNEL)
    kernel_size: int = at_least(3, 3, LARGEST_KERNEL)
    head_channels: int = at_least(1, 64, WIDEST)
    dropout: float = at_least(0, 0.0, MOST_DROPPED, absent=0.0)
    skip: bool = added(False, absent=False)
    weight_norm: bool = added(False, absent=False)  # see `layers.weight_norm`

    def __post_init__(self) -> None:
        require_odd(self, "first_kernel_size", "kernel_size")


class GatedPixelCNN(AutoregressiveModel):
    """Vertical and horizontal stack, linked in every block."""

    def build(self, hyperparameters: Hyperparameters) -> nn.Module:
        hyper, width, classes = hyperparameters, hyperparameters.channels, self.image.classes
        block = functools.partial(GatedBlock, classes=classes, skip=hyper.skip, dropout=hyper.dropout)
        network = Chain(
            Fork(),
            block(self.inputs, width, hyper.first_kernel_size, first=True, last=hyper.blocks == 0),
            *(
                block(width, width, hyper.kernel_size, last=i == hyper.blocks)
                for i in range(1, hyper.blocks + 1)
            ),
            SkippedStream() if hyper.skip else HorizontalStream(),
            *head(width, hyper.head_channels, self.parameters_per_pixel),
        )
        return weight_normalised(network) if hyper.weight_norm else network
