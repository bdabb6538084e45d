"""The orders in which pixels can be computed: many at once, none before what it depends on.

A schedule lays the pixels out in fronts, one a step, and each front along lines. Pixels of one
front are computed together. A tap (dr, dc) is the same number of fronts and lines away everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Group:
    """Pixels of a front on a fine lattice that lie alike in the cells of a coarse one.

    Those on the lines of this `phase` (line modulo stride) lie in cells whose own place is in `front` of the
    coarse lattice, `down` rows and `right` columns from it.
    """

    phase: int
    front: int
    down: int
    right: int


class Schedule(Protocol):
    """An order of `steps` fronts over `lines` lines."""

    height: int
    width: int
    steps: int
    lines: int

    def span(self, front: int) -> tuple[int, int]:
        """First line that has a pixel of the image at this front, and the one after the last."""

    def beyond(self, front: int, columns: int) -> tuple[int, int]:
        """The lines that left the image on the right so few fronts ago: first, and one after the last."""

    def offset(self, dr: int, dc: int) -> tuple[int, int]:
        """How many fronts and lines after a pixel its tap lies; negative is before."""

    def pixel(self, front: int, line: int) -> tuple[int, int]:
        """Row and column."""

    def direction(self) -> tuple[int, int]:
        """Rows and columns from one pixel of a front to the next."""

    def coarse(self, stride: int) -> Schedule:
        """The order of the pixels in every so many-th row and column.

        Its front t is computed with front stride · t of this one, which holds the same pixels.
        """

    def groups(self, front: int, stride: int) -> list[Group]:
        """The pixels of a front by where they lie in the cells of `coarse(stride)`."""


class Wavefront:
    """All pixels with equal column + skew · row at once; a line is a row.

    With the smallest skew that puts every pixel after those it depends on, these are the fewest steps
    in which nothing is computed twice. A skew of the width is raster order, pixel by pixel.
    """

    def __init__(self, height: int, width: int, skew: int) -> None:
        self.height, self.width, self.skew = height, width, skew
        self.steps = width + skew * (height - 1)
        self.lines = height

    def span(self, front: int) -> tuple[int, int]:
        if self.skew == 0:
            return (0, self.height) if front < self.width else (self.height, self.height)
        first = max(0, (front - self.width) // self.skew + 1)
        return first, min(self.height, front // self.skew + 1)

    def beyond(self, front: int, columns: int) -> tuple[int, int]:
        return self.span(max(0, front - columns))[0], self.span(front)[0]

    def offset(self, dr: int, dc: int) -> tuple[int, int]:
        return dc + self.skew * dr, dr

    def pixel(self, front: int, line: int) -> tuple[int, int]:
        return line, front - self.skew * line

    def direction(self) -> tuple[int, int]:
        return 1, -self.skew

    def coarse(self, stride: int) -> Wavefront:
        return Wavefront(-(-self.height // stride), -(-self.width // stride), self.skew)

    def groups(self, front: int, stride: int) -> list[Group]:
        found = []
        for down in range(stride):
            # Rows down, down + stride, ... have columns that leave the same remainder.
            coarse, right = divmod(front - self.skew * down, stride)
            found.append(Group(down, coarse, down, right))
        return found


class Rows:
    """A row at once; a line is a column. Pixels of a row depend on each other, see `sampling`."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.steps, self.lines = height, width

    def span(self, front: int) -> tuple[int, int]:
        return (0, self.width) if front < self.height else (0, 0)

    def beyond(self, front: int, columns: int) -> tuple[int, int]:
        return 0, 0

    def offset(self, dr: int, dc: int) -> tuple[int, int]:
        return dr, dc

    def pixel(self, front: int, line: int) -> tuple[int, int]:
        return front, line

    def direction(self) -> tuple[int, int]:
        return 0, 1

    def coarse(self, stride: int) -> Rows:
        return Rows(-(-self.height // stride), -(-self.width // stride))

    def groups(self, front: int, stride: int) -> list[Group]:
        coarse, down = divmod(front, stride)
        return [Group(right, coarse, down, right) for right in range(stride)]
