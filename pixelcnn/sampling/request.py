"""What a sampler is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

#: Called with (finished steps, all steps).
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """One batch of images to draw, on the model's device.

    noise: uniform in [0, 1), float64 [N, C, H, W]. labels: int64 [N], or None. given: int64
    [N, C, rows, W], the upper part of the images, which is kept; it may have no rows. kept: int64
    [N, C, H, W], pixels that are kept wherever they are, whole ones, and -1 where one is drawn; or None.
    """

    noise: Tensor
    labels: Tensor | None
    given: Tensor
    temperature: float = 1.0
    with_parameters: bool = False
    kept: Tensor | None = None


@dataclass(frozen=True)
class Drawn:
    """Integer images int64 [N, C, H, W] and the parameters [N, P, H, W] that each pixel was drawn from.

    The parameters only if they were asked for.
    """

    images: Tensor
    parameters: Tensor | None


class Sampler(Protocol):
    """Draws images from a model. All samplers draw the same ones from the same noise."""

    def draw(self, request: Request, on_step: OnStep = ...) -> Drawn:
        """The images of a request."""
