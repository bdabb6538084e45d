"""What the parameters that a model gives for a pixel mean: a distribution over its grey levels."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelcnn.errors import ConfigError


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


class Bernoulli:
    """Binary pixels; the parameter is the logit of a one."""

    levels = 2
    parameters = 1

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        logits = _full_precision(params)
        return -F.binary_cross_entropy_with_logits(logits, x.to(logits.dtype), reduction="none").sum(1)

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        return (noise < torch.sigmoid(_tempered(params, noise, temperature))).long()


class Categorical:
    """A probability of its own for each of L levels; the parameters are L logits."""

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.parameters = levels

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        # Channels last: the softmax then runs over neighbouring numbers in memory.
        logits = _full_precision(params).permute(0, 2, 3, 1)
        n, h, w, levels = logits.shape
        nats = F.cross_entropy(logits.reshape(-1, levels), x[:, 0].reshape(-1).long(), reduction="none")
        return -nats.reshape(n, h, w)

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        cumulative = torch.softmax(_tempered(params, noise, temperature), dim=1).cumsum(dim=1)
        # Inverse of the distribution function: the number of levels whose cumulative is passed.
        # Rounding can leave the last cumulative below the noise, hence without it.
        return (noise >= cumulative[:, :-1]).sum(dim=1, keepdim=True)


def _tempered(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Logits in the precision of the noise, divided by the temperature."""
    logits = logits.to(noise.dtype)
    return logits if temperature == 1 else logits / temperature


def _full_precision(params: Tensor) -> Tensor:
    return params if params.dtype == torch.float64 else params.float()


def make_likelihood(name: str, levels: int, channels: int = 1) -> Likelihood:
    """The likelihood called `name`: auto takes bernoulli for two levels, else categorical.

    Raises:
        ConfigError: if it cannot describe images with these levels and channels.
    """
    if channels != 1:
        raise ConfigError(f"likelihood: {name} describes images of 1 channel, the dataset has {channels}")
    if name == "auto":
        name = "bernoulli" if levels == 2 else "categorical"
    if name == "bernoulli":
        if levels != 2:
            raise ConfigError(f"likelihood: bernoulli needs levels: 2, the dataset has levels: {levels}")
        return Bernoulli()
    if name == "categorical":
        return Categorical(levels)
    raise ConfigError(f"likelihood: expected one of auto, bernoulli, categorical; got {name!r}")
