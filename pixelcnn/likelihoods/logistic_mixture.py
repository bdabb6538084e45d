"""Levels as intervals of a line, on which lies a mixture of logistic distributions."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelcnn.config.fields import at_least
from pixelcnn.likelihoods.base import Likelihood, full_precision
from pixelcnn.likelihoods.logistic import bounded_scales, log_share, middles

#: How far from the middle the means begin, as a share of all levels, and the scale. So a fresh network of 5
#: components is within 3.4 % of a uniform guess, for 1 to 3 channels of 2 to 256 levels. Wider it would lose
#: probability to the outer levels, narrower it would have gaps between the components.
REACH, SPREAD = 0.7, 0.3
#: The same of more than 3 channels, within 4 % up to 16: a component that is told apart by one channel
#: is so by all, so the components lie closer together.
REACH_OF_MANY, SPREAD_OF_MANY = 0.3, 0.4


@dataclass(frozen=True)
class Hyperparameters:
    """`components`: K logistic distributions in each mixture."""

    components: int = at_least(1, 5, 1000, absent=5)


@dataclass(frozen=True)
class Mixture:
    """log_weights [N, H, W, K]; means and scales [N, H, W, C, K]; slopes [N, H, W, pairs of channels, K]."""

    log_weights: Tensor
    means: Tensor
    scales: Tensor
    slopes: Tensor


class LogisticMixture(Likelihood):
    """PixelCNN++ (Salimans et al. 2017, sections 2.1 and 2.2), for any number of levels and of channels.

    Levels are intervals of a line (see `likelihoods.logistic`, which also says what differs from the paper).
    A component k has a weight, and for each channel a mean and a scale; the mean moves by a slope in -1..1
    times each earlier channel of the pixel (section 2.2). All channels share the weights, so later channels
    know by the earlier ones which component it is.

    P = K (1 + 2 C + C (C-1) / 2): logits of the weights, means, logarithms of scales, slopes before tanh; of
    means and of logarithms the difference to where they begin, which spreads the components over the levels.

    The temperature divides the logits of the weights and multiplies the scales; what is drawn follows that
    mixture exactly. Towards 0 it is the level at the mean of the heaviest component; a high one moves
    probability to the first and the last level, whose intervals have no end.
    """

    def __init__(
        self, levels: int, channels: int = 1, hyperparameters: Hyperparameters | None = None
    ) -> None:
        self.components = (hyperparameters or Hyperparameters()).components
        few = channels <= 3
        self.reach, self.spread = (REACH, SPREAD) if few else (REACH_OF_MANY, SPREAD_OF_MANY)
        #: The earlier and the later channel of each slope.
        self.pairs = list(itertools.combinations(range(channels), 2))
        super().__init__(levels, channels, self.components * (1 + 2 * channels + len(self.pairs)))

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        mixture = self._mixture(full_precision(params))
        return torch.logsumexp(self._joint(mixture, x, self.channels)[-1], dim=-1)

    def log_prob_by_channel(self, params: Tensor, x: Tensor) -> Tensor:
        # log p of the channels up to each, whose differences are what each has given the earlier ones.
        mixture = self._mixture(full_precision(params))
        joint = torch.stack(self._joint(mixture, x, self.channels)[1:], dim=1)
        up_to = torch.logsumexp(joint, dim=-1)
        return up_to.diff(dim=1, prepend=torch.zeros_like(up_to[:, :1]))

    def cdf(self, params: Tensor, x: Tensor, channel: int) -> Tensor:
        mixture = self._mixture(full_precision(params))
        given = self._given(mixture, self._joint(mixture, x, channel)[-1], x, channel)
        inner = [self._below(*given, level) for level in self._inner_levels(params)]
        return torch.stack([*inner, torch.ones_like(given[0][..., 0])], dim=1)

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        mixture = self._mixture(params.to(noise.dtype), temperature)
        drawn, joint = torch.zeros_like(noise, dtype=torch.long), mixture.log_weights
        for channel in range(self.channels):
            if channel > 0:
                joint = joint + self._log_prob_of(mixture, drawn, channel - 1)
            drawn[:, channel] = self._inverse(self._given(mixture, joint, drawn, channel), noise[:, channel])
        return drawn

    def _mixture(self, params: Tensor, temperature: float = 1.0) -> Mixture:
        """From parameters [N, P, H, W]."""
        # Channels last: sums over components run over neighbouring numbers in memory.
        k, c = self.components, self.channels
        logits, means, scales, slopes = params.permute(0, 2, 3, 1).split(
            [k, c * k, c * k, len(self.pairs) * k], dim=-1
        )
        if temperature != 1:
            logits = logits / temperature
        return Mixture(
            log_weights=torch.log_softmax(logits, dim=-1),
            means=means.unflatten(-1, (c, k)) + self.centres(params),
            scales=bounded_scales(scales.unflatten(-1, (c, k)) + math.log(self.spread), self.levels)
            * temperature,
            slopes=torch.tanh(slopes).unflatten(-1, (len(self.pairs), k)),
        )

    def centres(self, like: Tensor) -> Tensor:
        """The means [C, K] of a network that gives zeros: all levels are about as likely."""
        k, reach = self.components, self.reach * self.levels / (self.levels - 1)
        places = torch.arange(k, device=like.device)
        # Of each channel in another order, else equal levels in all channels would be most likely. With a
        # step that shares no factor with k none of the k places is left out.
        steps = [step for step in range(1, k + 1) if math.gcd(step, k) == 1]
        orders = torch.stack([(places * steps[c % len(steps)] + c) % k for c in range(self.channels)])
        return reach * ((2 * orders + 1).to(like.dtype) / k - 1)

    def _real(self, x: Tensor, like: Tensor) -> Tensor:
        """Levels [N, H, W] as the middles of their intervals, [N, H, W, 1]."""
        return middles(x, self.levels, like)[..., None]

    def _means_of(self, mixture: Mixture, x: Tensor, channel: int) -> Tensor:
        """Those of a channel, moved by the earlier ones: [N, H, W, K]."""
        means = mixture.means[..., channel, :]
        for i, (earlier, later) in enumerate(self.pairs):
            if later == channel:
                means = means + mixture.slopes[..., i, :] * self._real(x[:, earlier], means)
        return means

    def _log_prob_of(self, mixture: Mixture, x: Tensor, channel: int) -> Tensor:
        """log p(a channel's level | component, earlier channels): [N, H, W, K]."""
        scales = mixture.scales[..., channel, :]
        means, level = self._means_of(mixture, x, channel), x[:, channel, ..., None]
        middle, half = self._real(x[:, channel], means), 1 / (self.levels - 1)
        from_below, from_above = (middle + half - means) / scales, (middle - half - means) / scales
        below_end, above_start = F.logsigmoid(from_below), F.logsigmoid(-from_above)
        inner = log_share(below_end, above_start, 2 * half / scales)
        return torch.where(level == 0, below_end, torch.where(level == self.levels - 1, above_start, inner))

    def _joint(self, mixture: Mixture, x: Tensor, channels: int) -> list[Tensor]:
        """log p(component, levels of the first c channels), for c from 0 to `channels`: [N, H, W, K] each."""
        joint = [mixture.log_weights]
        for channel in range(channels):
            joint.append(joint[-1] + self._log_prob_of(mixture, x, channel))
        return joint

    def _given(
        self, mixture: Mixture, joint: Tensor, x: Tensor, channel: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, means and scales [N, H, W, K] of a channel, given the `joint` of the earlier ones."""
        means = self._means_of(mixture, x, channel)
        return torch.softmax(joint, dim=-1), means, mixture.scales[..., channel, :]

    def _below(self, weights: Tensor, means: Tensor, scales: Tensor, level: Tensor) -> Tensor:
        """p(a level at most `level`), below the last one: [N, H, W]."""
        end = self._real(level, means) + 1 / (self.levels - 1)
        return (weights * torch.sigmoid((end - means) / scales)).sum(dim=-1)

    def _inner_levels(self, like: Tensor) -> Tensor:
        """All but the last one, each as [1, 1, 1]."""
        return torch.arange(self.levels - 1, device=like.device).view(-1, 1, 1, 1)

    def _inverse(self, given: tuple[Tensor, Tensor, Tensor], noise: Tensor) -> Tensor:
        """The first level that more than the noise is at or below, by bisection: [N, H, W]."""
        low = torch.zeros_like(noise, dtype=torch.long)
        high = torch.full_like(low, self.levels - 1)
        for _ in range((self.levels - 1).bit_length()):
            middle = torch.div(low + high, 2, rounding_mode="floor")
            passed = (noise >= self._below(*given, middle)) & (middle < high)
            low, high = torch.where(passed, middle + 1, low), torch.where(passed, high, middle)
        return low
