"""Names beside points: where there is room, and nobody takes one for that of another point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

#: Points (1/72 inch) that a name stays from its own point, and that others stay from it.
GAP, CLOSE = 7.0, 6.0


@dataclass(frozen=True)
class Place:
    """The left, the right and the middle's height of a name, and whether it is right of its point."""

    left: float
    right: float
    y: float
    rightwards: bool


@dataclass(frozen=True)
class Point:
    """Where a point is, how long its name is, and from where to where its error bar goes."""

    x: float
    y: float
    length: float
    low: float
    high: float


def places(
    points: Sequence[Point], height: float, across: tuple[float, float], up: tuple[float, float]
) -> list[Place]:
    """A place for each name, of this `height`, within axes from left to right and bottom to top.

    All in points (1/72 inch).

    One after another, from the lowest point on, each gets the best that is left: at its point's height if
    that is free, else above or below.
    """
    found: dict[int, Place] = {}
    for i in sorted(range(len(points)), key=lambda i: points[i].y):
        others = [*points[:i], *points[i + 1 :]]
        choice = _candidates(points[i], height)
        bad = [_badness(place, points[i], others, [*found.values()], height, across, up) for place in choice]
        found[i] = choice[bad.index(min(bad))]
    return [found[i] for i in range(len(points))]


def _badness(
    place: Place,
    point: Point,
    others: Sequence[Point],
    names: Sequence[Place],
    height: float,
    across: tuple[float, float],
    up: tuple[float, float],
) -> float:
    """The worst first: on another name, on another point, out of the axes, across a bar, far, leftwards."""
    sideways = place.left < across[0] or place.right > across[1]
    outside = sideways or not up[0] < place.y - height / 2 < place.y + height / 2 < up[1]
    overlapped = sum(_overlap(place, name, height) for name in names)
    covered = sum(_covers(place, other, height) for other in others)
    crossed = sum(_crosses(place, other, height) for other in others)
    away = abs(place.y - point.y) / height
    return 20 * overlapped + 10 * covered + 8 * outside + 2 * crossed + away + 0.3 * (not place.rightwards)


def _candidates(point: Point, height: float) -> list[Place]:
    steps = sorted((step / 2 for step in range(-10, 11)), key=abs)
    found = []
    for step, rightwards in itertools.product(steps, (True, False)):
        left = point.x + GAP if rightwards else point.x - GAP - point.length
        found.append(Place(left, left + point.length, point.y + step * height, rightwards))
    return found


def _overlap(one: Place, two: Place, height: float) -> bool:
    return one.left < two.right and one.right > two.left and abs(one.y - two.y) < height


def _covers(place: Place, point: Point, height: float) -> bool:
    """Whether a name lies on another point, or so close that it seems to be that one's."""
    beside = place.left - GAP - CLOSE < point.x < place.right + GAP + CLOSE
    return beside and abs(place.y - point.y) < height / 2 + CLOSE / 2


def _crosses(place: Place, point: Point, height: float) -> bool:
    """Whether another point's error bar runs through a name."""
    within = place.left < point.x < place.right
    return within and point.low < place.y + height / 2 and point.high > place.y - height / 2
