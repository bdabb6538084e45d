"""From seeds to a mean with its interval, and the refusal to compare what does not compare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scipy.special import stdtrit

from pixelcnn.errors import UserError
from pixelcnn.records import Metrics

#: What must agree before the test results of two runs of one dataset may stand in one table.
COMPARABLE_BY = ("data_sha256", "split", "images", "dims", "levels")


@dataclass(frozen=True)
class Summary:
    """A measure over `n` seeds, in the unit of its values.

    `sd` is the sample standard deviation (divisor n - 1), [`low`, `high`] the two-sided t-interval
    of the mean. Both need two seeds: with one they are None.
    """

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    n: int


def summarize(values: Iterable[float], confidence: float = 0.95) -> Summary:
    """Mean, sample standard deviation and t-interval of `values`, one value a seed.

    Raises:
        UserError: if there is no value, or one that is not finite.
    """
    numbers = [float(value) for value in values]
    if not numbers:
        raise UserError("no values to summarize: expected one a seed")
    if not all(math.isfinite(number) for number in numbers):
        raise UserError(f"cannot summarize values that are not finite: {numbers}")
    n = len(numbers)
    mean = math.fsum(numbers) / n
    if n == 1:
        return Summary(mean, None, None, None, 1)
    sd = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / (n - 1))
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * sd / math.sqrt(n)
    return Summary(mean, sd, mean - half, mean + half, n)


def check_comparable(metrics: Mapping[str, Metrics]) -> None:
    """Refuse test results, by name of their run, that come from different data.

    Raises:
        UserError: naming two runs, and what differs between them.
    """
    names = list(metrics)
    for name in names[1:]:
        for key in COMPARABLE_BY:
            expected, found = getattr(metrics[names[0]], key), getattr(metrics[name], key)
            if found != expected:
                raise UserError(
                    f"{names[0]} and {name} were evaluated on different data and do not compare: "
                    f"{key} is {expected!r} in the one and {found!r} in the other; "
                    "evaluate both on the same prepared data"
                )
