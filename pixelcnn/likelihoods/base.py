"""What the parameters that a model gives for a pixel mean: a distribution over its grey levels."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Likelihood(Protocol):
    """params [N, P, H, W] -> a distribution over integer levels at each pixel.

    `parameters` is P, the numbers that a model must give for each pixel.
    """

    levels: int
    parameters: int

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """log p(x), in nats, of integer images x [N, C, H, W], summed over channels: [N, H, W]."""

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Integer images [N, C, H, W] from uniform noise in [0, 1) of the same shape.

        One number a pixel and a monotone map, so that equal noise gives equal images. The logits are
        divided by the temperature: at 1 the model's own distribution, towards 0 its most likely level.
        """


def tempered(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Logits in the precision of the noise, divided by the temperature."""
    logits = logits.to(noise.dtype)
    return logits if temperature == 1 else logits / temperature


def full_precision(params: Tensor) -> Tensor:
    """Parameters in float32 at least: half precision is not enough for probabilities."""
    return params if params.dtype == torch.float64 else params.float()
