"""Probabilities: of all images they sum to 1, of channels they make a pixel's; a fresh model's are even."""

from __future__ import annotations

import itertools
import math

import torch

from pixelcnn.invariants.leaks import random_images, random_labels
from pixelcnn.invariants.results import Result, judged, none_by_design
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
def check_by_channel(model: AutoregressiveModel, likelihood: Likelihood) -> Result:
    """A pixel's log p is the sum over its channels, each a step of its cumulative probabilities."""
    image, name = model.image, "channel by channel"
    generator = torch.Generator().manual_seed(6)
    x, y = random_images(image, 16, generator), random_labels(image, 16, generator)
    params = model(x, y)
    told = likelihood.log_prob_by_channel(params, x)
    if told is None:
        return none_by_design(name, f"{type(likelihood).__name__} tells no log_prob_by_channel")
    off = (told.sum(dim=1) - likelihood.log_prob(params, x)).abs().max()
    for channel in range(image.channels):
        below = likelihood.cdf(params, x, channel)
        p = below.diff(dim=1, prepend=torch.zeros_like(below[:, :1])).gather(1, x[:, channel, None].long())
        off = torch.maximum(off, (told[:, channel].exp() - p[:, 0]).abs().max())
    return judged(name, float(off) < 1e-9, f"{image.channels} channels are off by {float(off):.1e}")


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
