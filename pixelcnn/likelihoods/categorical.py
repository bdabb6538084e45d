"""Grey levels with a probability of their own each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelcnn.likelihoods.base import full_precision, tempered


class Categorical:
    """A probability of its own for each of L levels; the parameters are L logits."""

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.parameters = levels

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        # Channels last: the softmax then runs over neighbouring numbers in memory.
        logits = full_precision(params).permute(0, 2, 3, 1)
        n, h, w, levels = logits.shape
        nats = F.cross_entropy(logits.reshape(-1, levels), x[:, 0].reshape(-1).long(), reduction="none")
        return -nats.reshape(n, h, w)

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        cumulative = torch.softmax(tempered(params, noise, temperature), dim=1).cumsum(dim=1)
        # Inverse of the distribution function: the number of levels whose cumulative is passed.
        # Rounding can leave the last cumulative below the noise, hence without it.
        return (noise >= cumulative[:, :-1]).sum(dim=1, keepdim=True)
