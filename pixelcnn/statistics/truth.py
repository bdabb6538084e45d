"""Likelihoods held against a truth that is known: by how much one lies above it, and whether one lies below.

Of images drawn from p, a model's q costs E_p[log p(x) - log q(x)] = KL(p || q) >= 0 nats more than the truth.
So a mean below the truth is chance, or q is no probability of those images: it saw what it was to predict, or
its terms do not sum to 1.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from pixelcnn.statistics.summary import summarize

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Excess:
    """Nats above the truth, paired image by image.

    mean: over the images, in nats per image; [low, high]: its t-interval over images, None of fewer than two.
    p: the chance, at most, of a mean so far below the truth if the model's are probabilities.
    """

    mean: float
    low: float | None
    high: float | None
    p: float
    images: int


def excess(nats: NDArray[np.float64], truth: NDArray[np.float64], level: float = 0.95) -> Excess:
    """How far a model lies above the truth.

    Args:
        nats: -log q(x) of each test image, [N]; of several networks their mean, which belongs to no larger
            "probability" than theirs (the geometric mean of distributions sums to 1 at most).
        truth: -log p(x) of the same images, [N].
        level: of the interval.

    The test of being below needs no normal distribution, which the tails of a likelihood have not: under the
    truth E[q(x) / p(x)] <= 1, so by Markov's inequality the ratio of all images together, exp(-N · mean), is
    above 1/p with a chance of p at most (Ville 1939; Wasserman, Ramdas and Balakrishnan 2020, universal
    inference).

    Raises:
        ValueError: if there are no images, or not as many of both.
    """
    if nats.shape != truth.shape or nats.ndim != 1 or not len(nats):
        raise ValueError(f"expected nats of the same images, got {nats.shape} and {truth.shape}")
    found = summarize(nats - truth, level)
    return Excess(found.mean, found.low, found.high, math.exp(min(0.0, found.n * found.mean)), found.n)


def below(excesses: Mapping[Key, Excess], alpha: float = 0.05) -> dict[Key, float]:
    """Those that lie below the truth by more than chance, with their p, adjusted for all that were asked.

    With a chance of `alpha` at most one is named wrongly (Holm 1979).
    """
    if not excesses:
        return {}
    keys = list(excesses)
    rejected, adjusted, *_ = multipletests([excesses[key].p for key in keys], alpha, method="holm")
    return {key: float(p) for key, p, named in zip(keys, adjusted, rejected, strict=True) if named}
