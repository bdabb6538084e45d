"""The mixture of a variant's networks of several seeds: a model of its own beside the single ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixelcnn.report.compare import VariantResult
from pixelcnn.report.pairs import nats_of
from pixelcnn.statistics.mixture import mixture_of_seeds


@dataclass(frozen=True)
class Mixture:
    """The mixture of `n` seeds' networks: test NLL in nats per image, and bits/dim.

    `single` is the mean NLL of the same networks one by one. All label-marginalised of a conditional variant.
    """

    result: VariantResult
    n: int
    nll: float
    bits_per_dim: float
    single: float

    @property
    def gain(self) -> float:
        """How many nats the mixture is better than its networks on average; never below zero."""
        return self.single - self.nll


def mix_seeds(results: Sequence[VariantResult]) -> dict[str, Mixture]:
    """The mixtures by the name of their variant, where two finished seeds or more have usable nats."""
    return {result.name: mixture for result in results if (mixture := _mixture(result))}


def _mixture(result: VariantResult) -> Mixture | None:
    found = [(run, nats_of(run)) for run in result.variant.finished]
    usable = [(run, nats) for run, nats in found if nats is not None and np.isfinite(nats).all()]
    if len(usable) < 2:
        return None
    nats = np.array([own for _, own in usable], np.float64)
    nll = float(mixture_of_seeds(nats).mean())
    metrics = usable[0][0].metrics
    dims = metrics.dims if metrics else 1
    return Mixture(result, len(usable), nll, nll / dims / math.log(2), float(nats.mean()))
