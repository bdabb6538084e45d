"""Optimizers by name, and the schedule of their learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from pixelcnn.config.run_spec import TrainingSpec


def learning_rate_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up over `warmup` steps, then a cosine to zero at `total`; counted in steps."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def make_optimizer(model: nn.Module, spec: TrainingSpec) -> torch.optim.Optimizer:
    """Adam or AdamW over all weights, in one fused kernel a step."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.optimizer]
    optimizer: torch.optim.Optimizer = kind(
        model.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=True
    )
    return optimizer
