"""The kinds of memory of an incremental network, which stays where it is from one batch to the next.

Everything is laid out so that the pixels of a front, of all images, lie beside each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pixelcnn.incremental.schedules import Schedule

#: Where a layer reads, from the pixel that it computes: rows and columns.
Tap = tuple[int, int]
#: Does a bit of work on memory that is known beforehand.
Call = Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Window:
    """Lines first..end-1 of a front, of all images or of those with these indices."""

    front: int
    first: int
    end: int
    images: Tensor | None = None
    #: The pieces of scratch memory that were looked up for it, by their number.
    scratch: dict[int, Tensor] = field(default_factory=dict, repr=False)

    @property
    def whole(self) -> Window:
        """The same lines of all images."""
        return Window(self.front, self.first, self.end)


def picked(values: Tensor, images: Tensor | None, axis: int) -> Tensor:
    """The values of these images, or of all."""
    return values if images is None else values.index_select(axis, images)


def put(place: Tensor, values: Tensor, images: Tensor | None, axis: int) -> None:
    """Have `place`, of all images, get the values of these."""
    if images is None:
        place.copy_(values)
    else:
        place.index_copy_(axis, images, values)


class Canvas:
    """Values at every pixel by its place, [H, N, W, C], with a margin of zeros above and at the sides."""

    def __init__(self, schedule: Schedule, margin: int, images: int, channels: int, like: Tensor) -> None:
        """`like` gives dtype and device."""
        self._schedule, self._margin = schedule, margin
        height, width = schedule.height + margin, schedule.width + 2 * margin
        self._padded = like.new_zeros(height, images, width, channels)

    def fill(self, values: Tensor) -> None:
        """Have these values [N, C, H, W]."""
        inside = slice(self._margin, self._margin + values.shape[3])
        self._padded[self._margin :, :, inside].copy_(values.permute(2, 0, 3, 1))

    def view(
        self, window: Window, dr: int = 0, first: int = 0, count: int = 1, spacing: int = 1, stride: int = 1
    ) -> Tensor:
        """What taps (dr, first), (dr, first + spacing), ... have: [pixels, N, count, C], of all images.

        `window` is one on the lattice of this stride.
        """
        row, column = self._schedule.pixel(stride * window.front, stride * window.first)
        rows, images, columns, one = self._padded.stride()
        down, right = self._schedule.direction()
        pixels = window.end - window.first
        step = stride * (down * rows + right * columns) if pixels > 1 else 0
        start = (row + dr + self._margin) * rows + (column + first + self._margin) * columns
        size = (pixels, self._padded.shape[1], count, self._padded.shape[3])
        return self._padded.as_strided(size, (step, images, spacing * columns, one), start)


class Fronts:
    """Values at every pixel in the order of a schedule, [pixels, N, C]: each front in one piece."""

    def __init__(self, schedule: Schedule, images: int, channels: int, like: Tensor) -> None:
        """`like` gives dtype and device."""
        self._height, self._width = schedule.height, schedule.width
        order: list[int] = []
        self._starts: list[int] = []
        for front in range(schedule.steps):
            first, end = schedule.span(front)
            self._starts.append(len(order) - first)
            places = (schedule.pixel(front, line) for line in range(first, end))
            order += [row * self._width + column for row, column in places]
        self._order = torch.tensor(order, device=like.device)
        self._values = like.new_zeros(len(order), images, channels)

    def fill(self, values: Tensor) -> None:
        """Have these values [N, C, H, W]."""
        self._values.copy_(values.flatten(2).permute(2, 0, 1)[self._order])

    def view(self, window: Window) -> Tensor:
        """Those of a window, of all images: [pixels, N, C]."""
        start = self._starts[window.front]
        return self._values[start + window.first : start + window.end]

    def by_image(self) -> Tensor:
        """All of them, as new memory: [N, C, H, W]."""
        placed = torch.empty_like(self._values)
        placed[self._order] = self._values
        _, images, channels = placed.shape
        return placed.permute(1, 2, 0).contiguous().view(images, channels, self._height, self._width)


@dataclass(frozen=True)
class RingSize:
    """How much a ring remembers: fronts, lines on both sides of those written, columns on the right."""

    fronts: int
    before: int
    after: int
    right: int


class Ring:
    """What a stream had at its last fronts, [lines, N, C], with zeros for what lies outside of the image."""

    def __init__(self, schedule: Schedule, size: RingSize, images: int, channels: int, like: Tensor) -> None:
        """`like` gives dtype and device."""
        self._schedule, self._size = schedule, size
        shape = (size.before + schedule.lines + size.after, images, channels)
        self._fronts = [like.new_zeros(shape) for _ in range(size.fronts)]

    def clear(self) -> None:
        """Zeros everywhere, as before the first front."""
        for front in self._fronts:
            front.zero_()

    @property
    def behind(self) -> int:
        """After the last front so many more have lines to clear."""
        return self._size.right

    def outside(self, front: int) -> Tensor | None:
        """Lines that have left the image, as far as they are read: they hold what is to become zero."""
        first, end = self._schedule.beyond(front, self._size.right)
        return self._lines(front, first, end) if first < end else None

    def view(self, window: Window) -> Tensor:
        """What a window has, of all images: [pixels, N, C]."""
        return self._lines(window.front, window.first, window.end)

    def tap(self, window: Window, dr: int, dc: int, stride: int = 1) -> Tensor:
        """What a tap has at a window, of all images: [pixels, N, C].

        `window` is one on the lattice of every so many-th row and column of this one.
        """
        front, line = self._schedule.offset(dr, dc)
        first, end = (stride * place + line for place in (window.first, window.end))
        return self._lines(stride * window.front + front, first, end - stride + 1)[::stride]

    def _lines(self, front: int, first: int, end: int) -> Tensor:
        before = self._size.before
        return self._fronts[front % self._size.fronts][before + first : before + end]


def in_rows(taps: Sequence[Tap]) -> list[tuple[int, int, int, int]]:
    """Taps grouped to what `Canvas.view` takes: neighbours of one row, evenly spaced."""
    groups: list[tuple[int, int, int, int]] = []
    for dr, dc in taps:
        row, first, count, spacing = groups[-1] if groups else (0, 0, 0, 0)
        gap = dc - (first + (count - 1) * spacing)
        if row == dr and count and gap > 0 and (count == 1 or gap == spacing):
            groups[-1] = (row, first, count + 1, gap)
        else:
            groups.append((dr, dc, 1, 1))
    return groups
