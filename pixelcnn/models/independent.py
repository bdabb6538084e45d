"""The baseline: each pixel has a histogram of its own and knows nothing of the others.

What a network gains over it in nats is what the dependence between pixels is worth.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from pixelcnn.config.fields import at_least
from pixelcnn.layers.pointwise import PixelTable
from pixelcnn.models.base import AutoregressiveModel


@dataclass(frozen=True)
class Hyperparameters:
    """`gain` multiplies the stored weights; see `PixelTable`."""

    gain: float = at_least(1e-3, 10.0)


class Independent(AutoregressiveModel):
    """A histogram at each pixel, or at each pixel and class."""

    baseline = True

    def build(self, hyperparameters: Hyperparameters) -> nn.Module:
        image = self.image
        return PixelTable(
            image.classes, self.parameters_per_pixel, image.height, image.width, hyperparameters.gain
        )
