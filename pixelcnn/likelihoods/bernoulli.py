"""Binary pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelcnn.likelihoods.base import Likelihood, full_precision, tempered
from pixelcnn.system.errors import ConfigError


class Bernoulli(Likelihood):
    """Binary pixels of one channel; the parameter is the logit of a one.

    The temperature divides the logit. A pixel is one where its noise is below the probability of a one: this
    inverts the distribution function counted from the top.
    """

    def __init__(self, levels: int = 2, channels: int = 1, hyperparameters: None = None) -> None:
        if levels != 2:
            raise ConfigError(f"likelihood: bernoulli needs levels: 2, the dataset has levels: {levels}")
        if channels != 1:
            raise ConfigError(
                f"likelihood: bernoulli describes images of 1 channel, the dataset has {channels}; take "
                "categorical, in which a channel depends on the earlier ones of its pixel"
            )
        super().__init__(levels, channels, parameters_per_pixel=1)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        logits = full_precision(params)
        return -F.binary_cross_entropy_with_logits(logits, x.to(logits.dtype), reduction="none").sum(1)

    def cdf(self, params: Tensor, x: Tensor, channel: int) -> Tensor:
        zero = torch.sigmoid(-full_precision(params))
        return torch.cat([zero, torch.ones_like(zero)], dim=1)

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        return (noise < torch.sigmoid(tempered(params, noise, temperature))).long()
