"""Transformer over pixels: ImageGPT of Chen et al. 2020, "Generative Pretraining from Pixels", in small.

Section 2: the pixels as a sequence in raster order, shifted by one; blocks of LayerNorm before attention
and before an MLP, as in GPT-2 (Radford et al. 2019), a LayerNorm and a linear layer at the end. Deviations:
the real values of a pixel enter by a linear map, not the index of its colour by an embedding; each row and
each column has an embedding, not each pixel; a class has one, too; queries, keys and values have no bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from pixelcnn.config.fields import at_least
from pixelcnn.layers.attention import CausalSelfAttention
from pixelcnn.layers.base import Chain, Residual
from pixelcnn.layers.place import PlaceEmbedding
from pixelcnn.layers.pointwise import Activation, ClassBias, Dropout, LayerNorm, Pointwise, prepare_gelu
from pixelcnn.layers.sequence import PreviousPixel
from pixelcnn.models.base import DEEPEST, MOST_DROPPED, WIDEST, AutoregressiveModel
from pixelcnn.system.errors import ConfigError


@dataclass(frozen=True)
class Hyperparameters:
    """`channels` is the width of the residual stream, `mlp_factor` times as wide is the MLP of a block."""

    channels: int = at_least(1, 64, WIDEST)
    blocks: int = at_least(1, 4, DEEPEST)
    heads: int = at_least(1, 4)
    mlp_factor: int = at_least(1, 4, 64)
    dropout: float = at_least(0.0, 0.0, MOST_DROPPED)

    def __post_init__(self) -> None:
        if self.channels % self.heads:
            raise ConfigError(f"heads: {self.heads} must divide the channels, {self.channels}")


class Transformer(AutoregressiveModel):
    """Attention alone; a pixel's neighbours are learned like any others."""

    def build(self, hyperparameters: Hyperparameters) -> nn.Module:
        hyper, width, image = hyperparameters, hyperparameters.channels, self.image
        return Chain(
            PreviousPixel(self.inputs, width),
            PlaceEmbedding(width, image.height, image.width),
            ClassBias(image.classes, width),
            *(block(hyper) for _ in range(hyper.blocks)),
            LayerNorm(width),
            Pointwise(width, self.parameters_per_pixel, gain=0.1, last=True),
        )


def block(hyper: Hyperparameters) -> nn.Module:
    """x + attention of x, then x + MLP of x: [N, channels, H, W] -> the same."""
    width, inner = hyper.channels, hyper.mlp_factor * hyper.channels
    # As GPT-2 has it: so the sum of all branches begins no larger for being deeper.
    gain = (2 * hyper.blocks) ** -0.5
    attention = CausalSelfAttention(width, hyper.heads, placed=True)
    with torch.no_grad():
        attention.to_out.weight.mul_(gain)
    mlp = Pointwise(width, inner), Activation(F.gelu, prepare_gelu), Pointwise(inner, width, gain)
    return Chain(
        Residual(Chain(LayerNorm(width), attention, Dropout(hyper.dropout))),
        Residual(Chain(LayerNorm(width), *mlp, Dropout(hyper.dropout))),
    )
