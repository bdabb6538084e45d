"""How trainings went: validation NLL by images seen and by seconds, of each seed and over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelcnn.report.compare import VariantResult
from pixelcnn.report.timed import TRAINED, timed_runs


@dataclass(frozen=True, eq=False)
class Curve:
    """The validations of a training, or their mean over seeds: [validations] each, in their order.

    `images` are those trained on so far, `seconds` those of training steps so far, `nll` is in nats per
    image, given the label for a conditional variant. Those that are not `timed` have seconds of
    another machine than the one by which variants are compared: only their NLL counts.
    """

    images: NDArray[np.float64]
    seconds: NDArray[np.float64]
    nll: NDArray[np.float64]
    timed: bool = True

    @property
    def best(self) -> float:
        """The lowest NLL, that of the weights which are tested."""
        return float(self.nll.min())


def trained_curves(result: VariantResult) -> list[Curve]:
    """Those of the seeds of a variant whose training came to its end."""
    curves, timed = [], timed_runs(result.variant)
    for run in result.variant.runs:
        if run.status not in TRAINED:
            continue
        points = [tuple(line.get(key) for key in ("images", "seconds", "valid_nll")) for line in run.history]
        usable = [p for p in points if all(v is not None and math.isfinite(v) for v in p)]
        if usable:
            images, seconds, nll = np.array(usable, np.float64).T
            curves.append(Curve(images, seconds, nll, run in timed))
    return curves


def mean_over_seeds(curves: Sequence[Curve]) -> tuple[Curve, NDArray[np.float64], NDArray[np.float64]] | None:
    """The mean of one or more curves, and their lowest and highest NLL: at the validations that all have.

    A mean of fewer would jump where one of them ends. None if there is no such validation. Seconds are those
    of the timed ones, if there are such.
    """
    shared = sorted(set.intersection(*(set(curve.images.tolist()) for curve in curves))) if curves else []
    if not shared:
        return None
    nll = np.array([_at(shared, curve, curve.nll) for curve in curves])
    timed = [curve for curve in curves if curve.timed] or curves
    seconds = np.array([_at(shared, curve, curve.seconds) for curve in timed])
    mean = Curve(np.array(shared), seconds.mean(axis=0), nll.mean(axis=0))
    return mean, nll.min(axis=0), nll.max(axis=0)


def _at(images: Iterable[float], curve: Curve, values: NDArray[np.float64]) -> list[float]:
    by_images = dict(zip(curve.images.tolist(), values.tolist(), strict=True))
    return [by_images[count] for count in images]
