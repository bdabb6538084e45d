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


def test_points_fill_a_space_evenly_and_are_the_same_for_everyone():
    space = {"a": Dimension(1e-4, 1, "log"), "b": Dimension(choices=("p", "q", "r", "s"))}
    found = points(space, 16, [])
    assert found == points(space, 16, [])
    # A property of the sequence: every power of ten meets every choice once. Random points leave gaps.
    met = {(math.floor(math.log10(point["a"])), point["b"]) for point in found}
    assert met == {(power, choice) for power in (-4, -3, -2, -1) for choice in "pqrs"}


def test_more_points_begin_with_the_same():
    assert unit_points(9, 3)[:4] == unit_points(4, 3)
    assert len(unit_points(1, 3)) == 1
