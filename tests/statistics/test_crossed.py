"""Intervals over seeds and new images: by textbook mean squares, pair by pair, and in simulated data."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.new_images import cover
from benchmarks.simulated_tables import Setting
from pixelcnn.statistics.comparisons import Comparisons, compare
from pixelcnn.statistics.crossed import OverImages, Part, all_over_images, total
from pixelcnn.statistics.studentized_range import quantile
from pixelcnn.system.errors import UserError

Nats = dict[str, np.ndarray]
Seeds = dict[str, list[int]]


def compared(nats: Nats, seeds: Seeds, order: dict[str, int] | None = None) -> Comparisons:
    """By the means over images, all with seeds as blocks unless their order says otherwise."""
    values = {
        name: dict(zip(seeds[name], map(float, found.mean(axis=1)), strict=True))
        for name, found in nats.items()
    }
    return compare(values, data_order=dict.fromkeys(nats, 0) if order is None else order)


def mean_squares(d: np.ndarray) -> tuple[float, float, float]:
    """Of rows, of columns and of the rest, as in any textbook's two-way table without replication."""
    n, images = d.shape
    grand, rows, columns = d.mean(), d.mean(axis=1), d.mean(axis=0)
    rest = sum((d[s, i] - rows[s] - columns[i] + grand) ** 2 for s in range(n) for i in range(images))
    return (
        images * sum((row - grand) ** 2 for row in rows) / (n - 1),
        n * sum((column - grand) ** 2 for column in columns) / (images - 1),
        rest / ((n - 1) * (images - 1)),
    )


def test_two_variants_are_a_textbooks_two_way_random_table_of_differences() -> None:
    random = np.random.default_rng(3)
    a, b = 50 + random.normal(size=(2, 4, 7)) + random.normal(size=(2, 1, 7)) + random.normal(size=(2, 4, 1))
    seeds: Seeds = {"a": [5, 1, 2, 9], "b": [1, 2, 5, 9]}
    nats = {"a": a, "b": b[[1, 2, 0, 3]]}
    comparisons = compared(nats, seeds)
    found = all_over_images(comparisons, nats, seeds)
    one = found["a", "b"]
    rows, columns, rest = mean_squares(a - b)
    variance = (rows + columns - rest) / 28
    freedom = (rows + columns - rest) ** 2 / (rows**2 / 3 + columns**2 / 6 + rest**2 / 18)
    assert (one.difference, one.error, one.freedom) == pytest.approx(
        ((a - b).mean(), math.sqrt(variance), freedom)
    )
    assert (one.plain_low, one.plain_high) == pytest.approx(
        stats.t.interval(0.95, freedom, (a - b).mean(), math.sqrt(variance))
    )
    half = quantile(0.04, 2, freedom) / math.sqrt(2) * math.sqrt(variance)
    assert (one.low, one.high) == pytest.approx((one.difference - half, one.difference + half))
    assert (one.seeds_share, one.images) == (pytest.approx(rows / (rows + columns - rest)), 7)
    back = found["b", "a"]
    assert (back.difference, back.low, back.plain_low) == (-one.difference, -one.high, -one.plain_high)
    assert (back.error, back.reverse) == (one.error, one)
    strict = all_over_images(comparisons, nats, seeds, level=0.001)["a", "b"]
    assert strict.high - strict.low > 1.5 * (one.high - one.low)


def pair_by_pair(comparisons: Comparisons, nats: Nats, seeds: Seeds, a: str, b: str) -> tuple[float, float]:
    """Error and degrees of freedom of one pair, from its own arrays alone."""
    one = comparisons[a, b]
    assert one.error is not None and one.freedom is not None
    of = {name: dict(zip(seeds[name], nats[name], strict=True)) for name in (a, b)}
    images = nats[a].shape[1]
    if one.blocked:
        d = np.array([of[a][s] - of[b][s] for s in sorted({*seeds[a]} & {*seeds[b]})])
        across, both = np.var(d.mean(axis=0), ddof=1) / images, mean_squares(d)[2] / d.size
        rest = (len(d) - 1) * (images - 1)
    else:
        across = np.var(nats[a].mean(axis=0) - nats[b].mean(axis=0), ddof=1) / images
        both = sum(mean_squares(nats[name])[2] / nats[name].size for name in (a, b))
        rest = (min(len(seeds[a]), len(seeds[b])) - 1) * (images - 1)
    variance = max(one.error**2, across, one.error**2 + across - both)
    spread = one.error**4 / one.freedom + across**2 / (images - 1) + both**2 / rest
    return math.sqrt(variance), variance**2 / spread


def test_all_pairs_at_once_are_what_each_is_by_itself() -> None:
    """Of unequal seeds, rows in any order, another data order, and one variant of a single seed."""
    random = np.random.default_rng(8)
    seeds: Seeds = {"a": [0, 1, 2, 3], "b": [3, 1, 0, 2], "c": [2, 3, 7], "d": [0, 1, 2, 3], "e": [4]}
    nats = {
        name: 90 + 20 * random.normal(size=9) + (k + 1) * random.normal(size=(len(found), 9))
        for k, (name, found) in enumerate(seeds.items())
    }
    order = {"a": 0, "b": 0, "c": 0, "d": 1, "e": 0}
    comparisons = compared(nats, seeds, order)
    found = all_over_images(comparisons, nats, seeds)
    assert set(found) == set(itertools.permutations("abcd", 2))  # a single seed has no interval
    assert {pair for pair in found if comparisons[pair].blocked} == set(itertools.permutations("abc", 2))
    for pair, one in found.items():
        assert one.difference == comparisons[pair].difference
        expected = pair_by_pair(comparisons, nats, seeds, *pair)
        assert (one.error, one.freedom) == pytest.approx(expected, rel=1e-9)
    fewer = all_over_images(comparisons, {name: nats[name] for name in "ab"}, seeds)
    assert set(fewer) == {("a", "b"), ("b", "a")} and fewer["a", "b"] == found["a", "b"]


@pytest.mark.filterwarnings("error")
def test_without_variance_over_images_it_is_the_interval_over_seeds() -> None:
    random = np.random.default_rng(1)
    image, seeds = random.normal(size=40), {name: [0, 1, 2] for name in "abc"}
    nats = {name: 80 + image + random.normal(size=(3, 1)) for name in "abc"}
    comparisons = compared(nats, seeds)
    for pair, one in all_over_images(comparisons, nats, seeds).items():
        first = comparisons[pair]
        assert (one.low, one.high, one.plain_low, one.plain_high, one.freedom, one.seeds_share) == (
            pytest.approx((first.low, first.high, first.plain_low, first.plain_high, first.freedom, 1.0))
        )
    same = {name: np.full((3, 40), 80.0) for name in "ab"}
    nothing = all_over_images(compared(same, seeds), same, seeds)["a", "b"]
    assert nothing == OverImages(0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 1.0, 40)
    # Hardly any: more degrees of freedom must not make of the same error a narrower interval.
    hardly = {name: found + 0.3 * random.normal(size=40) for name, found in nats.items()}
    comparisons = compared(hardly, seeds)
    for pair, one in all_over_images(comparisons, hardly, seeds).items():
        first = comparisons[pair]
        assert one.freedom > first.freedom and one.error > first.error
        assert one.high - one.low >= first.high - first.low
        assert one.plain_high - one.plain_low >= first.plain_high - first.plain_low
    much = total(Part.of(2.0, 8), Part.of(3.0, 99), Part.of(4.0, 800))
    assert much.variance == 3.0  # never below either part


def test_what_are_no_tables_of_the_same_images_is_refused() -> None:
    seeds = {name: [0, 1] for name in "ab"}
    good = {name: np.ones((2, 3)) for name in "ab"}
    comparisons = compared(good, seeds)
    for wrong in (np.ones((2, 2)), np.ones((3, 3)), np.full((2, 3), np.nan), np.ones(3)):
        with pytest.raises(
            UserError, match=r"^no interval over test images of b: expected finite nats of 2 "
        ):
            all_over_images(comparisons, good | {"b": wrong}, seeds)
    with pytest.raises(UserError, match="2 images"):
        all_over_images(comparisons, {name: np.ones((2, 1)) for name in "ab"}, seeds)


def test_intervals_hold_for_new_seeds_and_images_as_often_as_simulated() -> None:
    """From every value here, from sums of products in the simulation: both must say the same."""
    random = np.random.default_rng(0)
    names, n, images, draws = "abc", 4, 20, 120
    seeds = {name: list(range(n)) for name in names}
    rates = cover(Setting(n, variants=3), images, 4.0, 4000, random)
    sd = math.sqrt(4.0 * images / n)
    over, first = [], []
    for _ in range(draws):
        values = 100 + random.normal(size=(3, n, 1)) + 5 * random.normal(size=(1, n, 1))
        values = values + 9 * random.normal(size=(1, 1, images)) + sd * random.normal(size=(3, 1, images))
        nats = dict(zip(names, values + sd * random.normal(size=(3, n, images)), strict=True))
        comparisons = compared(nats, seeds)
        found = all_over_images(comparisons, nats, seeds)
        for pair in itertools.combinations(names, 2):
            over.append(found[pair].plain_low <= 0 <= found[pair].plain_high)
            first.append((comparisons[pair].plain_low or 0) <= 0 <= (comparisons[pair].plain_high or 0))
    assert 0.94 < rates.plain < 0.965 and 0.945 < rates.simultaneous < 0.98
    assert np.mean(over) == pytest.approx(rates.plain, abs=0.03)
    assert np.mean(first) == pytest.approx(rates.seeds_only, abs=0.06) and rates.seeds_only < 0.83
