"""How long trainings take to first reach a validation NLL, and which levels of it tell variants apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from pixelcnn.report.progress import Curve

#: Levels of NLL at least and at most.
FEWEST, MOST = 3, 4


@dataclass(frozen=True)
class Reached:
    """How `count` of `trained` seeds reached a level: the median of their `seconds`, None if none did.

    `at_most` says that a seed in it was there at its first validation, so the seconds may be fewer.
    """

    seconds: float | None
    count: int
    trained: int
    at_most: bool = False


def reached(curves: Sequence[Curve], level: float) -> Reached:
    """When the curves of a variant's seeds first reach a level."""
    times = [time for curve in curves if (time := seconds_to(curve, level)) is not None]
    first = any(float(curve.nll[0]) <= level for curve in curves)
    return Reached(median(times) if times else None, len(times), len(curves), first)


def seconds_to(curve: Curve, level: float) -> float | None:
    """Seconds of training steps when the NLL first is `level` or below, on lines between validations.

    None if it never is. If the first validation already is, its seconds: no line leads to it.
    """
    below = np.flatnonzero(curve.nll <= level)
    if not len(below):
        return None
    after = int(below[0])
    if after == 0:
        return float(curve.seconds[0])
    ends = slice(after - 1, after + 1)
    return float(np.interp(-level, -curve.nll[ends], curve.seconds[ends]))


def round_levels(low: float, high: float) -> tuple[list[float], int]:
    """Three or four round numbers from `low` to `high`, highest first, and the decimals to show them with.

    They are multiples of 1, 2 or 5 times a power of ten, the coarsest that gives three; of more than four
    every other one, the lowest among them. None if `high` is hardly above `low`, by 0.01 % or less.
    """
    if not high - low > 1e-4 * abs(low):
        return [], 0
    power = math.ceil(math.log10(high - low))
    while True:
        for digit in (5, 2, 1):
            step = digit * 10.0**power
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first + 1 >= FEWEST:
                stride = 1 if last - first < MOST else 2
                decimals = max(0, -power)
                counts = range(first, last + 1, stride)
                return [round(count * step, decimals) for count in reversed(counts)], decimals
        power -= 1
