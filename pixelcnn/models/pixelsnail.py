"""PixelSNAIL of Chen, Mishra, Rohaninejad and Abbeel 2018: convolutions and attention in turn.

Section 3 and their code: each block has gated residual blocks, as PixelCNN++, over the pixels above and to
the left, then attention. Keys and values come from image, features and place, and so hold the pixel's own
value: only later pixels attend to them. Queries come from features and place. Deviations: a class enters in
every gated block; no weight normalisation; keys and values also see the constant that the image comes with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.config.fields import at_least
from pixelcnn.layers.attention import StrictAttention
from pixelcnn.layers.base import Chain, concat
from pixelcnn.layers.place import Coordinates
from pixelcnn.layers.pointwise import Activation, Pointwise, prepare_elu
from pixelcnn.layers.resnet import Both, Convolution, GatedResnet, LeftStem, down_right_convolution
from pixelcnn.models.base import DEEPEST, MOST_DROPPED, WIDEST, AutoregressiveModel


@dataclass(frozen=True)
class Hyperparameters:
    """`key_size` and `value_size` are those of each head; null: of all heads half as many as channels."""

    channels: int = at_least(1, 32, WIDEST)
    blocks: int = at_least(1, 2, DEEPEST)
    resnets: int = at_least(1, 2, DEEPEST)  # of each block
    heads: int = at_least(1, 1, WIDEST)
    key_size: int = at_least(1, 16, WIDEST)
    value_size: int | None = at_least(1, None, WIDEST)
    dropout: float = at_least(0.0, 0.0, MOST_DROPPED)


class PixelSNAIL(AutoregressiveModel):
    """What is near by convolutions, what is far by attention that sees each pixel's own value."""

    def build(self, hyperparameters: Hyperparameters) -> nn.Module:
        return Network(hyperparameters, self.inputs, self.parameters_per_pixel, self.image.classes)


class Network(nn.Module):
    """The image goes into each block anew."""

    def __init__(self, hyper: Hyperparameters, inputs: int, parameters: int, classes: int | None) -> None:
        super().__init__()
        self.stem = LeftStem(inputs, hyper.channels)
        self.place = Coordinates()
        self.blocks = nn.ModuleList(Block(hyper, inputs, classes) for _ in range(hyper.blocks))
        last = Pointwise(hyper.channels, parameters, gain=0.1, last=True)
        self.head = Chain(Activation(F.elu, prepare_elu), last)

    def forward(self, image: Any, y: Tensor | None) -> Any:
        features, place = Both(self.stem(image, y)), self.place(image, y)
        for block in self.blocks:
            features = block(features, image, place, y)
        return self.head(features.raw, y)


class Block(nn.Module):
    """Features, image and place -> features, [N, channels, H, W] -> the same."""

    def __init__(self, hyper: Hyperparameters, inputs: int, classes: int | None) -> None:
        super().__init__()
        width, heads, dropout = hyper.channels, hyper.heads, hyper.dropout
        value = hyper.value_size or max(1, width // (2 * heads))
        queries, keys = width + 2, width + inputs

        def gated(channels: int, convolution: Convolution = Pointwise, *beside: int) -> GatedResnet:
            return GatedResnet(channels, convolution, classes, beside=beside, dropout=dropout)

        self.near = Chain(*(gated(width, down_right_convolution) for _ in range(hyper.resnets)))
        self.queries, self.keys = gated(queries), gated(keys)
        self.attention = StrictAttention(
            queries, keys, heads=heads, key_size=hyper.key_size, value_size=value
        )
        self.joined = gated(width, Pointwise, heads * value)

    def forward(self, features: Both, image: Any, place: Any, y: Tensor | None) -> Both:
        features = self.near(features, y)
        queries = self.queries(Both(concat(features.raw, place)), y).raw
        keys = self.keys(Both(concat(features.raw, image)), y).raw
        joined: Both = self.joined(features, y, Both(self.attention((queries, keys), y)))
        return joined
