"""Points of a space, and the values that they stand for."""

from __future__ import annotations

import math

import pytest

from pixelcnn.config.tuning import Dimension
from pixelcnn.tuning.points import points, unit_points, value_at

RATE = Dimension(1e-4, 1e-1, "log")
CHOICES = Dimension(choices=(16, 32, 64))


def test_values_stand_where_their_place_says():
    # A third of the way from 1e-4 to 1e-1 on a log scale is one power of ten.
    values = [value_at(RATE, place / 3, whole=False) for place in range(4)]
    assert values == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    assert [value_at(Dimension(2, 4), place, whole=False) for place in (0, 0.25, 0.75)] == [2, 2.5, 3.5]
    assert [value_at(CHOICES, place, whole=False) for place in (0, 0.34, 0.66, 0.67, 0.9999)] == [
        *(16, 32, 32, 64, 64)
    ]


def test_whole_numbers_stay_whole_and_in_their_range():
    values = {value_at(Dimension(2.5, 6.5), place / 100, whole=True) for place in range(100)}
    assert values == {3, 4, 5, 6} and {type(value) for value in values} == {int}


def test_points_fill_a_range_evenly_and_are_the_same_for_everyone():
    found = points({"a": RATE, "b": CHOICES}, 64, [])
    assert found == points({"a": RATE, "b": CHOICES}, 64, [])
    by_power = [math.floor(math.log10(point["a"])) for point in found]
    assert sorted(by_power.count(power) for power in (-4, -3, -2)) == [21, 21, 22]
    # Each pair of a power of ten and a choice has its share: random points would leave some with few.
    pairs = [(power, point["b"]) for power, point in zip(by_power, found, strict=True)]
    assert min(pairs.count(pair) for pair in set(pairs)) >= 5 and len(set(pairs)) == 9


def test_more_points_begin_with_the_same():
    assert unit_points(9, 3)[:4] == unit_points(4, 3)
    assert len(unit_points(1, 3)) == 1
