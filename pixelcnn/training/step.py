"""One optimizer step: schedule, clipping, averaged weights."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.training.average import Averaged
from pixelcnn.training.optimizers import gradients_of, learning_rate_factor, make_optimizer, matrices_of

#: Images int64 [N, C, H, W] and labels int64 [N] or None; and what a step makes of them: the NLL in nats per
#: image and the gradient norm.
Batch = tuple[Tensor, Tensor | None]
Found = tuple[Tensor, Tensor]
#: Steps that someone else takes: gives batches, and is sent what a step made of each.
Steps = Generator[Batch, Found, None]


class Step(Protocol):
    """What a training knows of whatever takes its steps."""

    spec: TrainingSpec
    precision: str
    total: int

    @property
    def done(self) -> int:
        """Steps so far."""

    @property
    def model(self) -> AutoregressiveModel:
        """The network that is trained."""

    @property
    def averaged(self) -> AutoregressiveModel:
        """The one with averaged weights."""

    @property
    def learning_rate(self) -> float:
        """That of the next step."""

    def state(self) -> dict[str, Any]:
        """Plain data and tensors from which `restore` makes the next step the same."""

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from what `state` returned."""


class TrainingStep:
    """One optimizer step on one batch: what `benchmarks/training.py` measures and `fit` runs."""

    def __init__(
        self,
        model: AutoregressiveModel,
        spec: TrainingSpec,
        total: int,
        precision: str,
    ) -> None:
        self.model, self.spec = model, spec
        self.precision = precision
        self.total, self.done = total, 0
        self.trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.optimizer = make_optimizer(self.trained, matrices_of(model), spec)
        self.ema = Averaged(model, spec.ema_decay)

    def __call__(self, x: Tensor, y: Tensor | None) -> Found:
        """Train on x int64 [N, C, H, W]; returns (NLL in nats per image, gradient norm)."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            params = self.model(x, y)
        nats = -self.model.likelihood.log_prob(params, x).sum(dim=(1, 2)).mean()
        norm = torch.zeros_like(nats)
        if self.trained:  # else the weights are what they should be
            # The loss is nats per dimension, so that clipping means the same at every image size.
            (nats / x[0].numel()).backward()
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.spec.gradient_clip)
            self.optimizer.step(gradients_of(self.trained), self._factor())
        self.done += 1
        self.ema.update(self.model)
        return nats.detach(), norm.detach()

    def _factor(self) -> float:
        return learning_rate_factor(self.done, self.total, self.spec.warmup_steps)

    @property
    def averaged(self) -> AutoregressiveModel:
        """The network with averaged weights."""
        return self.ema.model

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return self.spec.learning_rate * self._factor()

    def state(self) -> dict[str, Any]:
        """Plain data and tensors from which `restore` makes the next step the same."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.model.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": self.optimizer.state(),
            "done": self.done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from what `state` returned."""
        self.model.load_state_dict(state["model"])
        self.ema.model.load_state_dict(state["ema"])
        self.ema.updates = state["ema_updates"]
        self.optimizer.restore(state["optimizer"])
        self.done = state["done"]
