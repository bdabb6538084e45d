"""The mean of some values, how they spread, and where the mean of all that could be may lie."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.special import stdtrit

from pixelcnn.system.errors import UserError


@dataclass(frozen=True)
class Summary:
    """`n` values, in their unit.

    `sd` is the sample standard deviation (divisor n - 1), [`low`, `high`] the two-sided t-interval
    of the mean. Both need two values: with one they are None.
    """

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    n: int


def summarize(values: Iterable[float], confidence: float = 0.95) -> Summary:
    """Mean, sample standard deviation and t-interval of values that are independent and about normal.

    Source: Student (1908), The probable error of a mean.

    Raises:
        UserError: if there is no value, or one that is not finite.
    """
    numbers = [float(value) for value in values]
    if not numbers:
        raise UserError("no values to summarize")
    if not all(math.isfinite(number) for number in numbers):
        raise UserError(f"cannot summarize values that are not finite: {numbers}")
    n = len(numbers)
    mean = math.fsum(numbers) / n
    if n == 1:
        return Summary(mean, None, None, None, 1)
    sd = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / (n - 1))
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * sd / math.sqrt(n)
    return Summary(mean, sd, mean - half, mean + half, n)
