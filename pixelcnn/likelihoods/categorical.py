"""Levels with a probability of their own each; a channel's depend on the pixel's earlier channels."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.config.fields import at_least
from pixelcnn.likelihoods.base import Likelihood, cumulative, full_precision, tempered
from pixelcnn.likelihoods.logistic import bounded_scales, log_shares, middles

#: Levels of several channels up to which a network gives every logit itself.
FEW_LEVELS = 32
#: Scale, but for its lower bound, of the logistic distribution that a fresh network gives for a channel of
#: colour, around the middle.
SPREAD = 0.3


@dataclass(frozen=True)
class Hyperparameters:
    """`rank`: numbers by which a channel's logits are told, of colour with more than `FEW_LEVELS` levels."""

    rank: int = at_least(1, 16, 256, absent=16)


class Categorical(Likelihood):
    """A probability of its own for each of L levels; those of a channel depend on the earlier ones.

    One channel: the parameters are its L logits. Of C channels each has F features, a mean and the logarithm
    of a scale, and each pair of them a slope before tanh, P = C (F + 2) + C (C-1) / 2:

        mean of channel c     = the network's + sum over earlier channels c' of slope[c', c] · level of c'
        features of channel c = the network's + sum over earlier channels c' of E[c', c][level of c']
        logits of channel c   = log p(level | mean, scale) + b[c]   of a logistic distribution over the levels
                                + features                          with up to `FEW_LEVELS` levels: F = L
                                + features · V[c]                   with more: F = `rank`

    The logistic distribution (see `likelihoods.logistic`) says where the level is about and how surely: near
    the levels of the pixels beside it, which a network learns in a few hundred steps. Free logits alone, of
    which any shape can be made, learn this level by level. E = W' M [W], where W are the first F cosines over
    the levels (L-1 at most), M [F, F] weights of each pair of channels, and the second W is there without a
    read-out only: smooth interactions first, of which every pixel teaches all. E is the same at every pixel.
    V [F, L] and b [L] are weights, too: 256 levels of three channels need 57 numbers a pixel and 13,824
    weights. M begins at zero, V with W, and b so that a network which gives zeros guesses all levels alike;
    nothing is drawn at random, so a network of a seed begins with the same weights whatever its likelihood.

    The temperature divides the logits, which the earlier channels as they were drawn are part of.
    """

    def __init__(
        self, levels: int, channels: int = 1, hyperparameters: Hyperparameters | None = None
    ) -> None:
        rank = (hyperparameters or Hyperparameters()).rank
        self.features = levels if channels == 1 or levels <= FEW_LEVELS else min(rank, levels)
        #: The earlier and the later channel of each slope and table.
        self.pairs = list(itertools.combinations(range(channels), 2))
        of_lines = 2 * channels + len(self.pairs) if channels > 1 else 0
        super().__init__(levels, channels, channels * self.features + of_lines)
        self.read_out: nn.Parameter | None = None
        self.waves: Tensor
        if self.pairs:
            waves = min(self.features, levels - 1)
            self.couplings = nn.Parameter(torch.zeros(len(self.pairs), waves, waves))
            self.register_buffer("waves", _cosines(waves, levels), persistent=False)
            begun = bounded_scales(torch.full((channels,), math.log(SPREAD)), levels)
            self.bias = nn.Parameter(-log_shares(torch.zeros(channels), begun, levels))
        if self.features < levels:
            self.read_out = nn.Parameter(_cosines(self.features, levels).repeat(channels, 1, 1))

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        first, *others = self._log_prob_of_each(params, x)
        return sum(others, first)

    def log_prob_by_channel(self, params: Tensor, x: Tensor) -> Tensor:
        return torch.stack(self._log_prob_of_each(params, x), dim=1)

    def _log_prob_of_each(self, params: Tensor, x: Tensor) -> list[Tensor]:
        """log p of each channel, [N, H, W]."""
        # Channels last: the softmax then runs over neighbouring numbers in memory.
        given, x = full_precision(params).permute(0, 2, 3, 1), x.long()
        return [self._log_prob_of(given, x, channel) for channel in range(self.channels)]

    def _log_prob_of(self, given: Tensor, x: Tensor, channel: int) -> Tensor:
        logits = self._logits(given, x, channel).reshape(-1, self.levels)
        nats = F.cross_entropy(logits, x[:, channel].reshape(-1), reduction="none")
        return -nats.reshape(given.shape[:3])

    def cdf(self, params: Tensor, x: Tensor, channel: int) -> Tensor:
        logits = self._logits(full_precision(params).permute(0, 2, 3, 1), x.long(), channel)
        return cumulative(torch.softmax(logits, dim=3).permute(0, 3, 1, 2))

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        if self.channels == 1:
            return _drawn(params, noise, temperature)
        given = params.permute(0, 2, 3, 1)
        drawn = noise.new_zeros(len(noise), 0, *noise.shape[2:], dtype=torch.long)
        for channel in range(self.channels):
            logits = self._logits(given, drawn, channel).permute(0, 3, 1, 2)
            level = _drawn(logits, noise[:, channel : channel + 1], temperature)
            drawn = torch.cat([drawn, level], dim=1)
        return drawn

    def table(self, pair: int) -> Tensor:
        """What an earlier channel's level adds to the features of a later one: [levels, F]."""
        table = self.waves.mT @ self.couplings[pair]
        return table @ self.waves if self.read_out is None else table

    def _logits(self, given: Tensor, x: Tensor, channel: int) -> Tensor:
        """[N, H, W, levels] from parameters [N, H, W, P] and the earlier channels of x [N, C, H, W]."""
        if self.channels == 1:
            return given
        features, means, scales, slopes = given.split(
            [self.channels * self.features, self.channels, self.channels, len(self.pairs)], dim=-1
        )
        features = features[..., channel * self.features : (channel + 1) * self.features]
        mean = means[..., channel]
        for i, (earlier, later) in enumerate(self.pairs):
            if later == channel:
                level = x[:, earlier]
                mean = mean + torch.tanh(slopes[..., i]) * middles(level, self.levels, mean)
                features = features + F.embedding(level, self.table(i).to(features.dtype))
        if self.read_out is not None:
            features = features @ self.read_out[channel].to(features.dtype)
        scale = bounded_scales(scales[..., channel] + math.log(SPREAD), self.levels)
        logits: Tensor = features + log_shares(mean, scale, self.levels)
        return logits + self.bias[channel].to(logits.dtype)


def _drawn(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Levels [N, 1, H, W] by logits [N, levels, H, W]: how many levels have a cumulative that is passed."""
    below = torch.softmax(tempered(logits, noise, temperature), dim=1).cumsum(dim=1)
    # Rounding can leave the last cumulative below the noise, hence without it.
    return (noise >= below[:, :-1]).sum(dim=1, keepdim=True)


def _cosines(count: int, levels: int) -> Tensor:
    """The first cosines over the levels, without the constant one: [count, levels], of mean square 1."""
    places = (torch.arange(levels) + 0.5) / levels
    waves = torch.arange(1, count + 1)[:, None] * math.pi * places
    return math.sqrt(2) * torch.cos(waves)
