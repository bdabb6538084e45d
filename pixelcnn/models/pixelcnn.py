"""PixelCNN of van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks".

Table 1 and figure 5: a 7x7 mask-A convolution, residual blocks (ReLU, 1x1 to half the channels,
ReLU, 3x3 mask B, ReLU, 1x1 back), ReLU and two 1x1 layers. Deviations: `dilations` may spread the
taps of the 3x3 convolutions, which gives the dilated variant (Yu and Koltun 2016, section 2); a
class enters as a bias in every block (van den Oord et al. 2016b, eq. 4) and, with `class_maps`, as one that
depends on the place, after the first convolution (section 2.3). `dropout`, which the
paper has not, is on the residual path after its first convolution, as in Salimans et al. 2017 (section 2.5).
A stack of masked convolutions has a blind spot to the upper right; the gated architecture has none.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from pixelcnn.config.fields import at_least
from pixelcnn.config.run_spec import LARGEST_IMAGE
from pixelcnn.layers.base import Chain, Residual
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.layers.pointwise import Activation, ClassBias, ClassMap, Pointwise, dropped
from pixelcnn.models.base import (
    DEEPEST,
    LARGEST_KERNEL,
    MOST_DROPPED,
    WIDEST,
    AutoregressiveModel,
    ImageSpec,
    require_odd,
)
from pixelcnn.system.errors import ConfigError


@dataclass(frozen=True)
class Hyperparameters:
    """`channels` is the h of the paper: blocks work on h, the residual stream has 2h channels."""

    channels: int = at_least(1, 32, WIDEST)
    blocks: int = at_least(0, 6, DEEPEST)
    first_kernel_size: int = at_least(3, 7, LARGEST_KERNEL)
    kernel_size: int = at_least(3, 3, LARGEST_KERNEL)
    dilations: tuple[int, ...] = (1,)  # block i has dilation number i modulo their count
    head_channels: int = at_least(1, 64, WIDEST)
    class_maps: int = at_least(0, 0, WIDEST, absent=0)  # for each class; without classes it is nothing
    dropout: float = at_least(0, 0.0, MOST_DROPPED, absent=0.0)

    def __post_init__(self) -> None:
        require_odd(self, "first_kernel_size", "kernel_size")
        if not self.dilations or not 1 <= min(self.dilations) <= max(self.dilations) <= LARGEST_IMAGE:
            raise ConfigError(
                f"dilations: expected whole numbers from 1 to {LARGEST_IMAGE}, got {list(self.dilations)}"
            )


class PixelCNN(AutoregressiveModel):
    """The plain masked stack; with `dilations` the dilated variant."""

    def build(self, hyperparameters: Hyperparameters) -> nn.Module:
        hyper, stream, classes = hyperparameters, 2 * hyperparameters.channels, self.image.classes
        dilations = [hyper.dilations[i % len(hyper.dilations)] for i in range(hyper.blocks)]
        return Chain(
            *stem(self.inputs, stream, hyper.first_kernel_size, self.image, hyper.class_maps),
            *(
                residual_block(stream, hyper.kernel_size, dilation, classes, hyper.dropout)
                for dilation in dilations
            ),
            *head(stream, hyper.head_channels, self.parameters_per_pixel),
        )


def stem(
    inputs: int, channels: int, kernel_size: int, image: ImageSpec, class_maps: int
) -> tuple[nn.Module, ...]:
    """The first convolution, which does not see its centre, and all that the class says at the start."""
    return (
        masked_conv(inputs, channels, kernel_size, "A"),
        ClassBias(image.classes, channels),
        ClassMap(image.classes, class_maps, channels, image.height, image.width),
    )


def residual_block(
    channels: int, kernel_size: int, dilation: int, classes: int | None, dropout: float
) -> nn.Module:
    """The block of figure 5 with its class bias: [N, channels, H, W] -> the same."""
    half = channels // 2
    return Residual(
        Chain(
            Activation(),
            Pointwise(channels, half),
            ClassBias(classes, half),
            Activation(),
            *dropped(dropout),
            masked_conv(half, half, kernel_size, "B", dilation),
            Activation(),
            Pointwise(half, channels),
        )
    )


def head(channels: int, hidden: int, parameters: int) -> tuple[nn.Module, ...]:
    """The two 1x1 layers at the end, starting near a uniform guess."""
    return (
        Activation(),
        Pointwise(channels, hidden),
        Activation(),
        Pointwise(hidden, parameters, gain=0.1, last=True),
    )
