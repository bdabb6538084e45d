"""Levels whose probabilities rise or fall exponentially: the distribution of a causal random field.

The network gives a number h for each channel, and one for each pair of channels of a pixel. With the levels v
scaled to s(v) = 2v / (L-1) - 1:

    p(v | the pixel's earlier channels) is proportional to exp(s(v) (h of the channel
        + sum over earlier channels of the pair's number · s(level there)))

So P = C + C (C-1) / 2. Of two levels this is Bernoulli with the logit 2h. The temperature divides h.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from pixelcnn.likelihoods.base import Likelihood, cumulative, full_precision


class Tilted(Likelihood):
    """A uniform distribution over the levels, tilted."""

    def __init__(self, levels: int, channels: int = 1, hyperparameters: None = None) -> None:
        #: The earlier and the later channel of each pair, in the order of their parameters after the h.
        self.pairs = list(itertools.combinations(range(channels), 2))
        super().__init__(levels, channels, channels + len(self.pairs))

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        return self.log_prob_by_channel(params, x).sum(dim=1)

    def log_prob_by_channel(self, params: Tensor, x: Tensor) -> Tensor:
        found = [
            self._log_p(full_precision(params), x, channel).gather(1, x[:, channel : channel + 1].long())
            for channel in range(self.channels)
        ]
        return torch.cat(found, dim=1)

    def cdf(self, params: Tensor, x: Tensor, channel: int) -> Tensor:
        return cumulative(self._log_p(full_precision(params), x, channel).exp())

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        params = params.to(noise.dtype) if temperature == 1 else params.to(noise.dtype) / temperature
        drawn = noise.new_zeros(len(noise), 0, *noise.shape[2:], dtype=torch.long)
        for channel in range(self.channels):
            below = self._log_p(params, drawn, channel).exp().cumsum(dim=1)
            # Rounding can leave the last cumulative below the noise, hence without it.
            level = (noise[:, channel : channel + 1] >= below[:, :-1]).sum(dim=1, keepdim=True)
            drawn = torch.cat([drawn, level], dim=1)
        return drawn

    def _log_p(self, params: Tensor, x: Tensor, channel: int) -> Tensor:
        """Of every level of a channel, given the earlier ones in x: [N, levels, H, W]."""
        scaled = torch.linspace(-1, 1, self.levels, dtype=params.dtype, device=params.device)
        h = params[:, channel]
        for i, (earlier, later) in enumerate(self.pairs):
            if later == channel:
                h = h + params[:, self.channels + i] * scaled[x[:, earlier].long()]
        return torch.log_softmax(scaled[:, None, None] * h[:, None], dim=1)
