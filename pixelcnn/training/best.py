"""Which weights a training keeps: those of the validation with the lowest NLL."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from pixelcnn.training.step import Step


@dataclass
class Best:
    """The validation with the lowest NLL so far: which one it was, and after how many epochs."""

    validation: int = 0
    epoch: float = 0
    valid_nll: float = math.inf
    weights: dict[str, Tensor] | None = None
    ema_weights: dict[str, Tensor] | None = None

    def offer(self, validation: int, epoch: float, valid_nll: float, step: Step) -> None:
        """Keep the weights as they are now if they are better."""
        if valid_nll < self.valid_nll:
            self.validation, self.epoch, self.valid_nll = validation, epoch, valid_nll
            self.weights = _copied(step.model)
            self.ema_weights = _copied(step.averaged)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    # Contiguous: a checkpoint does not depend on the memory format used for speed.
    return {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
