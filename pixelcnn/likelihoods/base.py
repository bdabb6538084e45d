"""What the parameters that a network gives for a pixel mean: a distribution over its channels' levels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Likelihood(nn.Module):
    """params [N, P, H, W] -> a distribution over the integer levels of all channels of each pixel.

    A part of the model, so weights that it may have are the model's: counted, trained, averaged, saved. The
    network knows pixels only; in which order the channels of a pixel come, and how a later one depends on
    the earlier ones, is said here.

    A likelihood is a module with one subclass of this class and, if it has hyper-parameters, a frozen
    dataclass `Hyperparameters`, whose fields all have a default and `absent=` the same: a description of a
    run that leaves them out stays the description of the same run. The subclass is called with the levels
    and channels of the images and the hyper-parameters (None if it has none), and refuses by a ConfigError
    what it cannot describe. P is the `parameters_per_pixel` that it gives to this constructor.
    """

    def __init__(self, levels: int, channels: int, parameters_per_pixel: int) -> None:
        super().__init__()
        self.levels, self.channels = levels, channels
        #: P, the numbers that a network must give for each pixel.
        self.parameters_per_pixel = parameters_per_pixel

    def forward(self, params: Tensor, x: Tensor) -> Tensor:
        """`log_prob`, as what calls a module with weights of others needs it."""
        return self.log_prob(params, x)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """log p(x), in nats, of integer images x [N, C, H, W], summed over channels: [N, H, W]."""
        raise NotImplementedError(f"{type(self).__name__} must define log_prob()")

    def log_prob_by_channel(self, params: Tensor, x: Tensor) -> Tensor | None:
        """log p of each channel given the earlier ones of its pixel, whose sum is `log_prob`: [N, C, H, W].

        Asked for by evaluation alone. None of several channels, where a likelihood does not tell it.
        """
        return self.log_prob(params, x)[:, None] if self.channels == 1 else None

    def cdf(self, params: Tensor, x: Tensor, channel: int) -> Tensor:
        """p(level of a channel <= v | the earlier channels of the pixel) of each v: [N, levels, H, W].

        Of x [N, C, H, W] only the channels before `channel` are looked at. The last one is 1.
        """
        raise NotImplementedError(f"{type(self).__name__} must define cdf()")

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Integer images [N, C, H, W] from uniform noise in [0, 1) of the same shape.

        One number a channel and a monotone map given the earlier channels, so that equal noise gives equal
        images; in the precision of the noise. At a temperature of 1 exactly the model's own distribution,
        towards 0 its most likely level; each says what it does with others.
        """
        raise NotImplementedError(f"{type(self).__name__} must define sample()")


def tempered(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Logits in the precision of the noise, divided by the temperature."""
    logits = logits.to(noise.dtype)
    return logits if temperature == 1 else logits / temperature


def full_precision(params: Tensor) -> Tensor:
    """Parameters in float32 at least: half precision is not enough for probabilities."""
    return params if params.dtype == torch.float64 else params.float()


def cumulative(probabilities: Tensor) -> Tensor:
    """Sums over levels, [N, levels, H, W] -> the same; the last one is 1 whatever the rounding."""
    result = probabilities.cumsum(dim=1).clamp(max=1)
    result[:, -1] = 1
    return result
