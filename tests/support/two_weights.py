"""A model of two weights, and the training recipe in plain Python to compare it with."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from support.small import prepared, run_spec
from torch import nn

from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.data.contract import Split
from pixelcnn.data.prepared import PreparedData
from pixelcnn.likelihoods.bernoulli import Bernoulli
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.training.loop import Observer, fit

CPU = torch.device("cpu")
START = (0.8, -0.6)
DIMS = 3


class Line(nn.Module):
    """The logit of a pixel is a + b · (the pixel to its left as -1 or 1, the first one sees 0)."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, features, y):
        return self.a + self.b * F.pad(features[:, :1, :, :-1], (1, 0))


class Pair(AutoregressiveModel):
    """Binary images of 1 x 3 pixels, described by two weights in float64."""

    def __init__(self, start=START) -> None:
        super().__init__(start, ImageSpec(1, 1, DIMS, 2), Bernoulli())

    def build(self, hyperparameters):
        return Line(*hyperparameters)


def pair(weights) -> list[float]:
    """a and b of a model or of its saved weights."""
    values = weights.state_dict() if isinstance(weights, nn.Module) else weights
    return [values["network.a"].item(), values["network.b"].item()]


class ByHand:
    """The recipe with floats and formulas alone; an image is three numbers, 0 or 1."""

    def __init__(self, start, spec: TrainingSpec, total: int) -> None:
        self.weights, self.averaged = list(start), list(start)
        self.first, self.second = [0.0, 0.0], [0.0, 0.0]
        self.spec, self.total, self.done = spec, total, 0

    def learning_rate(self) -> float:
        """That of the next step."""
        warm, step, most = self.spec.warmup_steps, self.done, self.spec.learning_rate
        if step < warm:
            return most * (step + 1) / (warm + 1)
        return most * (1 + math.cos(math.pi * (step - warm) / (self.total - warm))) / 2

    def step(self, images) -> tuple[float, float]:
        spec, rate = self.spec, self.learning_rate()
        self.done += 1
        nats, gradient = 0.0, [0.0, 0.0]
        for image in images:
            for left, pixel in zip(lefts(image), image, strict=True):
                p = 1 / (1 + math.exp(-self.weights[0] - self.weights[1] * left))
                nats -= math.log(p if pixel else 1 - p) / len(images)
                gradient[0] += (p - pixel) / (len(images) * DIMS)
                gradient[1] += (p - pixel) * left / (len(images) * DIMS)
        norm = math.hypot(*gradient)
        shrunk = min(1.0, spec.gradient_clip / (norm + 1e-6))  # torch keeps this far from a division by zero
        decay = min(spec.ema_decay, self.done / (9 + self.done))
        for i in range(2):
            g = gradient[i] * shrunk
            if spec.optimizer == "adam":  # the decay is part of the gradient
                g += spec.weight_decay * self.weights[i]
            else:  # the decay is a shrinking of its own
                self.weights[i] -= rate * spec.weight_decay * self.weights[i]
            self.first[i] = 0.9 * self.first[i] + 0.1 * g
            self.second[i] = 0.999 * self.second[i] + 0.001 * g * g
            mean = self.first[i] / (1 - 0.9**self.done)
            size = math.sqrt(self.second[i] / (1 - 0.999**self.done)) + 1e-8
            self.weights[i] -= rate * mean / size
            self.averaged[i] = decay * self.averaged[i] + (1 - decay) * self.weights[i]
        return nats, norm


def lefts(image) -> list[int]:
    return [0, *(1 if pixel else -1 for pixel in image[:-1])]


def nll(weights, images) -> float:
    """Nats per image."""
    total = 0.0
    for image in images:
        for left, pixel in zip(lefts(image), image, strict=True):
            logit = weights[0] + weights[1] * left
            total += math.log1p(math.exp(-logit if pixel else logit))
    return total / len(images)


def tensor(images) -> torch.Tensor:
    return torch.tensor(images).reshape(len(images), 1, 1, DIMS)


def sha_seed(seed: int, purpose: str) -> int:
    return int(hashlib.sha256(f"{seed}/{purpose}".encode()).hexdigest()[:16], 16) // 2


def binary_images(train, valid) -> PreparedData:
    """Unlabelled binary images of 1 x 3 pixels."""
    splits = {
        name: Split(np.array(images, np.uint8).reshape(-1, 1, 1, DIMS))
        for name, images in (("train", train), ("valid", valid), ("test", [[0, 0, 0]]))
    }
    return replace(prepared(labelled=False), splits=splits)


#: At batches of three the last one has a single image, which is unlike the others.
TRAIN = [[1, 1, 1], [1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 1, 1], [1, 0, 1], [0, 0, 0]]
VALID = [[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]


def train_by_hand(spec, train=TRAIN, valid=VALID):
    """History lines without times; weights and averaged weights after each epoch."""
    recipe, batches = spec.training, math.ceil(len(train) / spec.training.batch_size)
    order = torch.Generator().manual_seed(sha_seed(spec.seed, "data order"))
    hand = ByHand(START, recipe, recipe.epochs * batches)
    lines, weights, averaged = [], [], []
    for epoch in range(1, recipe.epochs + 1):
        shuffled = [train[i] for i in torch.randperm(len(train), generator=order).tolist()]
        nats, norms = 0.0, []
        for start in range(0, len(train), recipe.batch_size):
            batch = shuffled[start : start + recipe.batch_size]
            found, norm = hand.step(batch)
            nats += found * len(batch)
            norms.append(norm)
        lines.append(
            {
                "epoch": epoch,
                "images": epoch * len(train),
                "step": epoch * batches,
                "train_nll": nats / len(train),
                "valid_nll": nll(hand.averaged, valid),
                "learning_rate": hand.learning_rate(),
                "gradient_norm": sum(norms) / batches,
            }
        )
        weights.append(list(hand.weights))
        averaged.append(list(hand.averaged))
    return lines, weights, averaged


def fast(**changes):
    """A spec of a training that overshoots: its best epoch is neither the first nor the last."""
    recipe = {
        "optimizer": "adamw",
        "learning_rate": 0.05,
        "weight_decay": 0.05,
        "gradient_clip": 0.2,
        "ema_decay": 0.6,
    }
    return run_spec(
        **{"epochs": 6, "batch_size": 3, "warmup_steps": 4, "seed": 5, "precision": "float32"}
        | recipe
        | changes
    )


def run(run_dir, spec, data=None, *, model=None, saving=None, **observed):
    return fit(
        model or Pair(),
        data or binary_images(TRAIN, VALID),
        spec,
        run_dir=run_dir,
        device=CPU,
        saving=saving,
        observer=Observer(**observed),
    )
