"""Self-Attention PixelCNN: masked convolutions with causal attention over all earlier pixels.

The residual blocks are those of the plain PixelCNN; after every `attention_every` of them stands a
residual multi-head self-attention, as PixelSNAIL (Chen et al. 2018, section 3) interleaves the two,
in a smaller form: no gated feed-forward around the attention. `dropout` is that of the plain
network's blocks, and of what attention adds to the stream (Vaswani et al. 2017, section 5.4).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from pixelcnn.config.fields import at_least
from pixelcnn.layers.attention import CausalSelfAttention
from pixelcnn.layers.base import Chain, Residual
from pixelcnn.layers.pointwise import Dropout
from pixelcnn.models.base import (
    DEEPEST,
    LARGEST_KERNEL,
    MOST_DROPPED,
    WIDEST,
    AutoregressiveModel,
    require_odd,
)
from pixelcnn.models.pixelcnn import head, residual_block, stem
from pixelcnn.system.errors import ConfigError


@dataclass(frozen=True)
class Hyperparameters:
    """`channels` is h as in the plain PixelCNN: the residual stream has 2h channels."""

    channels: int = at_least(1, 32, WIDEST)
    blocks: int = at_least(1, 4, DEEPEST)
    attention_every: int = at_least(1, 2)
    heads: int = at_least(1, 4)
    first_kernel_size: int = at_least(3, 7, LARGEST_KERNEL)
    kernel_size: int = at_least(3, 3, LARGEST_KERNEL)
    head_channels: int = at_least(1, 64, WIDEST)
    class_maps: int = at_least(0, 0, WIDEST, absent=0)  # for each class; without classes it is nothing
    dropout: float = at_least(0, 0.0, MOST_DROPPED, absent=0.0)

    def __post_init__(self) -> None:
        require_odd(self, "first_kernel_size", "kernel_size")
        if 2 * self.channels % self.heads:
            raise ConfigError(f"heads: {self.heads} must divide twice the channels, {2 * self.channels}")


class AttentionPixelCNN(AutoregressiveModel):
    """Convolutions for what is near, attention for what is far."""

    def build(self, hyperparameters: Hyperparameters) -> nn.Module:
        hyper, stream, classes = hyperparameters, 2 * hyperparameters.channels, self.image.classes
        layers = [*stem(self.inputs, stream, hyper.first_kernel_size, self.image, hyper.class_maps)]
        for i in range(1, hyper.blocks + 1):
            layers.append(residual_block(stream, hyper.kernel_size, 1, classes, hyper.dropout))
            if i % hyper.attention_every == 0:
                attention: nn.Module = CausalSelfAttention(stream, hyper.heads)
                if hyper.dropout > 0:
                    attention = Chain(attention, Dropout(hyper.dropout))
                layers.append(Residual(attention))
        return Chain(*layers, *head(stream, hyper.head_channels, self.parameters_per_pixel))
