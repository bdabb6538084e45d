"""Seeds that would decide, by simulation; mixtures of seeds by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pixelcnn.statistics.comparisons import Comparison
from pixelcnn.statistics.levels import level_of
from pixelcnn.statistics.mixture import mixture_of_seeds
from pixelcnn.statistics.seeds_needed import IN_REACH, SeedsNeeded, seeds_needed
from pixelcnn.statistics.studentized_range import quantile
from pixelcnn.system.errors import UserError

#: Five variants of sd 1, three seeds as blocks.
SEEN = Comparison(1.5, (3, 3), True, -3.0, 4.0, p=0.5, error=math.sqrt(2 / 3), freedom=8.0,
                  form="common error", family=5)  # fmt: skip


def power(n: int, difference: float, level: float) -> float:
    """How often the simultaneous interval of two of five variants leaves out zero, in simulated tables."""
    values = np.random.default_rng(1).normal(size=(8000, 5, n))
    values[:, 0] += difference
    centred = (
        values
        - values.mean(1, keepdims=True)
        - values.mean(2, keepdims=True)
        + values.mean((1, 2), keepdims=True)
    )
    freedom = 4 * (n - 1)
    error = np.sqrt(np.square(centred).sum((1, 2)) / freedom * 2 / n)
    t = (values[:, 0] - values[:, 1]).mean(1) / error
    return float((np.abs(t) > quantile(level, 5, freedom) / math.sqrt(2)).mean())


def test_as_many_seeds_as_give_the_power_and_no_more() -> None:
    found = seeds_needed(SEEN)
    assert found is not None and found.decides == "difference"
    assert power(3 + found.more, 1.5, level_of(2)) == pytest.approx(0.82, abs=0.03)
    assert power(3 + found.more - 1, 1.5, level_of(2)) < 0.8
    assert seeds_needed(replace(SEEN, difference=-1.5)) == found
    first = seeds_needed(SEEN, look=1)
    assert first is not None and first.more < found.more


def test_equivalence_needs_seeds_too_and_little_is_out_of_reach() -> None:
    assert seeds_needed(replace(SEEN, difference=0.05)) is None
    assert seeds_needed(replace(SEEN, error=None)) is None
    found = seeds_needed(replace(SEEN, difference=0.05, margin=1.0))
    assert found is not None and found.decides == "equivalence"
    n = 3 + found.more
    error, half = math.sqrt(2 / n), quantile(level_of(2), 5, 4 * (n - 1)) / math.sqrt(n)
    seen = np.random.default_rng(0).normal(0.05, error, 40_000)
    assert n < IN_REACH and (np.abs(seen) + half < 1.0).mean() == pytest.approx(0.81, abs=0.02)
    assert seeds_needed(replace(SEEN, form="baseline", family=3)) != seeds_needed(SEEN)
    assert seeds_needed(replace(SEEN, error=0.0)) == SeedsNeeded(1, "difference")
    with pytest.raises(UserError, match="look 0 "):
        seeds_needed(SEEN, look=0)


@pytest.mark.filterwarnings("error")
def test_more_seeds_are_never_needed_for_a_larger_difference() -> None:
    """Where scipy's noncentral t is NaN, too: far from zero beside the error, with few degrees of freedom."""
    few = replace(SEEN, freedom=1.5, n=(2, 2), margin=0.1)
    found = [seeds_needed(replace(few, difference=0.3 * 1.2**i)) for i in range(40)]
    assert all(one is not None and one.decides == "difference" for one in found[3:])
    more = [one.more if one else IN_REACH for one in found]
    assert more == sorted(more, reverse=True) and more[-1] == 1 < more[3]


def test_a_mixture_of_seeds_by_hand() -> None:
    p = np.array([[0.5, 1e-300, 0.2], [0.1, 1e-310, 0.0]])
    with np.errstate(divide="ignore"):
        nats = -np.log(p)
    assert mixture_of_seeds(nats) == pytest.approx(
        [-math.log(0.3), -math.log(1e-300) + math.log(2), -math.log(0.1)]
    )
    assert mixture_of_seeds(np.array([[2000.0], [2001.0]])) == pytest.approx(
        2000.0 + math.log(2 / (1 + math.exp(-1)))
    )
    assert mixture_of_seeds(nats[:1]) == pytest.approx(nats[0])
    for wrong in (np.zeros(3), np.zeros((0, 3)), np.array([[1.0, math.nan]])):
        with pytest.raises(UserError, match="mixture of seeds"):
            mixture_of_seeds(wrong)
