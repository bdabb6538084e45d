"""One optimizer step: schedule, clipping, averaged weights."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel


def learning_rate_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up over `warmup` steps, then a cosine to zero at `total`; counted in steps."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def ema_decay(updates: int, limit: float) -> float:
    """Decay after `updates` averagings, warmed up lest the initialisation be averaged in."""
    return min(limit, (1 + updates) / (10 + updates))


class Averaged:
    """A copy of a model whose weights follow it by an exponential moving average.

    Not torch's AveragedModel: that counts its updates on the device, and a decay that depends on
    the count would make a GPU wait at every step.
    """

    def __init__(self, model: AutoregressiveModel, limit: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.limit = limit
        self.updates = 0

    @torch.no_grad()
    def update(self, model: AutoregressiveModel) -> None:
        """Move towards the weights of `model`."""
        weight = 1 - ema_decay(self.updates, self.limit)
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), weight)
        self.updates += 1


def make_optimizer(model: nn.Module, spec: TrainingSpec) -> torch.optim.Optimizer:
    """Adam or AdamW over all weights, in one fused kernel a step."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.optimizer]
    optimizer: torch.optim.Optimizer = kind(
        model.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=True
    )
    return optimizer


class TrainingStep:
    """One optimizer step on one batch: what `benchmarks/training.py` measures and `fit` runs."""

    def __init__(
        self,
        model: AutoregressiveModel,
        likelihood: Likelihood,
        spec: TrainingSpec,
        total: int,
        precision: str,
    ) -> None:
        self.model, self.likelihood, self.spec = model, likelihood, spec
        self.precision = precision
        self.optimizer = make_optimizer(model, spec)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: learning_rate_factor(step, total, spec.warmup_steps)
        )
        self.ema = Averaged(model, spec.ema_decay)

    def __call__(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Train on x int64 [N, C, H, W]; returns (NLL in nats per image, gradient norm)."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            params = self.model(x, y)
        nats = -self.likelihood.log_prob(params, x).sum(dim=(1, 2)).mean()
        # The loss is nats per dimension, so that clipping means the same at every image size.
        (nats / x[0].numel()).backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.spec.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step()
        self.ema.update(self.model)
        return nats.detach(), norm.detach()

    def state(self) -> dict[str, Any]:
        """Plain data and tensors from which `restore` makes the next step the same."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.model.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.model.load_state_dict(state["model"])
        self.ema.model.load_state_dict(state["ema"])
        self.ema.updates = state["ema_updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
