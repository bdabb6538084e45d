"""Weights that follow a model's by an exponential moving average."""

from __future__ import annotations

import copy

import torch

from pixelcnn.models.base import AutoregressiveModel


def ema_decay(updates: int, limit: float) -> float:
    """Decay after `updates` averagings, warmed up lest the initialisation be averaged in."""
    return min(limit, (1 + updates) / (10 + updates))


class Averaged:
    """A copy of a model whose weights follow it by an exponential moving average; buffers are the model's.

    Only those that a checkpoint holds: the others would be lost with the training.

    Not torch's AveragedModel: that counts its updates on the device, and a decay that depends on
    the count would make a GPU wait at every step.
    """

    def __init__(self, model: AutoregressiveModel, limit: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.limit = limit
        self.updates = 0
        self._buffers = [name for name, _ in model.named_buffers() if name in model.state_dict()]

    @torch.no_grad()
    def update(self, model: AutoregressiveModel) -> None:
        """Move towards the weights of `model`, and take over its buffers."""
        weight = 1 - ema_decay(self.updates, self.limit)
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), weight)
        for name in self._buffers:  # which a layer may have replaced by other tensors
            self.model.get_buffer(name).copy_(model.get_buffer(name))
        self.updates += 1
