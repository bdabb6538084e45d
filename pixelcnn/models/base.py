"""What every architecture shares: the door that pixels come in by, and the checks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pixelcnn.errors import ConfigError, UserError
from pixelcnn.layers.base import CausalLayer, Seen, coordinates, identity_reach


@dataclass(frozen=True)
class ImageSpec:
    """The images that a model describes; `classes` is None for an unconditional model."""

    channels: int
    height: int
    width: int
    levels: int
    classes: int | None = None


def require_odd(hyperparameters: Any, *keys: str) -> None:
    """Refuse even kernel sizes, which have no centre.

    Raises:
        ConfigError: naming the key.
    """
    for key in keys:
        if (value := getattr(hyperparameters, key)) % 2 == 0:
            raise ConfigError(f"{key}: must be odd, got {value}")


class AutoregressiveModel(nn.Module):
    """p(x) = prod_i p(x_i | earlier pixels), the parameters of every factor in one pass.

    An architecture is a module with a frozen dataclass `Hyperparameters` and one subclass of this
    class. Its `build` makes the network: a layer called as network(features, y), with `inputs` channels
    in and the `parameters_per_pixel` that the likelihood needs out.
    """

    def __init__(self, hyperparameters: Any, image: ImageSpec, parameters: int) -> None:
        super().__init__()
        self.image = image
        self.parameters_per_pixel = parameters
        #: Channels at the door: the scaled pixels, a constant, and the row and column.
        self.inputs = image.channels + 3
        self.network = self.build(hyperparameters)

    def build(self, hyperparameters: Any) -> CausalLayer:
        """The network of this architecture."""
        raise NotImplementedError(f"{type(self).__name__} must define build()")

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Parameters for every pixel.

        Args:
            x: integer images [N, C, H, W] with values 0..levels-1.
            y: class labels int64 [N] for a conditional model, else None.

        Returns:
            [N, P, H, W]; those of a pixel depend on earlier pixels only.

        Raises:
            UserError: if the images have another shape or the labels do not fit the model.
        """
        self._check(x, y)
        return self.network(self._enter(x), y)

    def reach(self) -> Seen:
        """Which pixels the parameters of each pixel can see, by the layers' taps: bool [H, W, H·W].

        Raises:
            UserError: if the network's layers do not state their reach.
        """
        if not hasattr(self.network, "reach"):
            raise UserError(f"{type(self).__name__}: its network states no reach")
        return self.network.reach(identity_reach(self.image.height, self.image.width))

    def _enter(self, x: Tensor) -> Tensor:
        """Integers 0..levels-1 to reals -1..1, with what a pixel may know of its place.

        The constant tells an image from its zero padding (Salimans et al. 2017, their code). Row and
        column let a shallow network know how much of the image is still to come; PixelSNAIL (Chen
        et al. 2018) gives both to its network, too. They depend on no pixel, so they leak nothing.
        """
        dtype = next(self.parameters()).dtype
        scaled = x.to(dtype) * (2 / (self.image.levels - 1)) - 1
        place = coordinates(scaled).expand(len(x), -1, -1, -1)
        entered = torch.cat([scaled, torch.ones_like(scaled[:, :1]), place], dim=1)
        return entered.contiguous(memory_format=torch.channels_last)

    def _check(self, x: Tensor, y: Tensor | None) -> None:
        expected = (self.image.channels, self.image.height, self.image.width)
        if x.ndim != 4 or x.shape[1:] != expected or x.is_floating_point():
            raise UserError(f"expected integer images [N, {expected}], got {x.dtype} {list(x.shape)}")
        if self.image.classes is None:
            if y is not None:
                raise UserError("labels were given to an unconditional model")
        elif y is None:
            raise UserError(f"a conditional model needs labels, int64 [N] in 0..{self.image.classes - 1}")
        elif y.shape != (len(x),):
            raise UserError(f"expected {len(x)} labels, one an image, got shape {list(y.shape)}")
