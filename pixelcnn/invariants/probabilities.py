"""Probabilities: those of all images sum to 1, and a fresh model is near a uniform guess."""

from __future__ import annotations

import itertools
import math

import torch

from pixelcnn.invariants.leaks import random_images, random_labels
from pixelcnn.invariants.results import Result, judged
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel


@torch.no_grad()
def check_normalised(model: AutoregressiveModel, likelihood: Likelihood) -> Result:
    """The probabilities of all possible images sum to 1; `model` must be for tiny images."""
    image = model.image
    dims = image.channels * image.height * image.width
    every = torch.tensor(list(itertools.product(range(image.levels), repeat=dims)))
    x = every.reshape(-1, image.channels, image.height, image.width)
    y = random_labels(image, 1, torch.Generator().manual_seed(2))
    log_p = likelihood.log_prob(model(x, None if y is None else y.repeat(len(x))), x).sum(dim=(1, 2))
    total = float(log_p.exp().sum())
    return judged("normalised", abs(total - 1) < 1e-9, f"{len(x)} images have probability {total:.12f}")


@torch.no_grad()
def check_first_loss(model: AutoregressiveModel, likelihood: Likelihood) -> Result:
    """A fresh model is near a uniform guess: its NLL is within 5 % of dims · ln(levels)."""
    image = model.image
    generator = torch.Generator().manual_seed(4)
    x, y = random_images(image, 16, generator), random_labels(image, 16, generator)
    nll = float(-likelihood.log_prob(model(x, y), x).sum(dim=(1, 2)).mean())
    uniform = image.channels * image.height * image.width * math.log(image.levels)
    return judged(
        "first loss", abs(nll / uniform - 1) < 0.05, f"{nll:.1f} nats, a uniform guess {uniform:.1f}"
    )
