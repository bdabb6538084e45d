"""Names of points in a figure: each can be told to be its own point's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pixelcnn.report.figures.names import Point, places

HEIGHT, ACROSS, UP = 11.0, (0.0, 200.0), (0.0, 150.0)


def placed(*at: tuple[float, float], length: float = 50.0, bar: float = 3.0):
    points = [Point(x, y, length, y - bar, y + bar) for x, y in at]
    return list(zip(points, places(points, HEIGHT, ACROSS, UP), strict=True))


def test_a_point_alone_has_its_name_right_of_it_or_left_of_it_at_the_edge():
    ((_, free),) = placed((20, 50))
    ((_, at_the_edge),) = placed((190, 50))
    assert (free.left, free.y, free.rightwards) == (27, 50, True)
    assert (at_the_edge.right, at_the_edge.y, at_the_edge.rightwards) == (183, 50, False)


def test_no_name_leaves_the_axes():
    """Below the lowest point would be room, but there stands what the axis says."""
    found = [name for _, name in placed((90, 9), (20, 6), (150, 8), length=65)]
    assert all(name.left >= 0 and name.right <= 200 and name.y >= HEIGHT / 2 for name in found)


def test_a_name_keeps_clear_of_an_error_bar():
    _, (_, name) = placed((90, 80), (70, 50), bar=40)
    assert not name.left < 90 < name.right


@pytest.mark.parametrize("seed", range(20))
def test_no_name_lies_on_another_or_beside_another_point(seed):
    """Also where points lie close together, as those of two networks of one size do."""
    random = np.random.default_rng(seed)
    at = [*random.uniform((10, 20), (190, 130), (5, 2)), (100.0, 50.0), (112.0, 50.5)]
    found = placed(*map(tuple, at), length=30)
    for (_, one), (_, two) in itertools.combinations(found, 2):
        assert one.right <= two.left or two.right <= one.left or abs(one.y - two.y) >= HEIGHT
    for (own, name), (other, _) in itertools.permutations(found, 2):
        beside = name.left - 7 < other.x < name.right + 7 and abs(name.y - other.y) < HEIGHT / 2
        assert not beside, (own, other)
