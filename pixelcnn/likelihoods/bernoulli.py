"""Binary pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelcnn.likelihoods.base import full_precision, tempered


class Bernoulli:
    """Binary pixels; the parameter is the logit of a one."""

    levels = 2
    parameters = 1

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        logits = full_precision(params)
        return -F.binary_cross_entropy_with_logits(logits, x.to(logits.dtype), reduction="none").sum(1)

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        return (noise < torch.sigmoid(tempered(params, noise, temperature))).long()
