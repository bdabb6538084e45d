"""What incremental layers remember: pixels by their place, features of the last fronts in a ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pixelcnn.layers.schedules import Schedule

Tap = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Lines first..end-1 of a front, of all images or of those with these indices."""

    front: int
    first: int
    end: int
    images: Tensor | None = None


class Canvas:
    """Values at every pixel of N images, [H, N, W, C], with a margin of zeros above and at the sides."""

    def __init__(self, schedule: Schedule, values: Tensor, margin: int = 0) -> None:
        """`values`: [N, C, H, W], copied."""
        self._schedule, self._margin = schedule, margin
        n, channels, height, width = values.shape
        self._padded = values.new_zeros(height + margin, n, width + 2 * margin, channels)
        self.values = self._padded[margin:, :, margin : margin + width]
        self.values.copy_(values.permute(2, 0, 3, 1))

    def view(self, window: Window, dr: int = 0, first: int = 0, count: int = 1, spacing: int = 1) -> Tensor:
        """What taps (dr, first), (dr, first + spacing), ... have: [pixels, N, count, C], not a copy."""
        row, column = self._schedule.pixel(window.front, window.first)
        rows, images, columns, one = self._padded.stride()
        down, right = self._schedule.direction()
        pixels = window.end - window.first
        step = down * rows + right * columns if pixels > 1 else 0
        start = (row + dr + self._margin) * rows + (column + first + self._margin) * columns
        size = (pixels, self._padded.shape[1], count, self._padded.shape[3])
        return self._padded.as_strided(size, (step, images, spacing * columns, one), start)

    def read(self, window: Window, groups: Sequence[tuple[int, int, int, int]] = ((0, 0, 1, 1),)) -> Tensor:
        """All taps of all groups beside each other: [pixels · N, taps · C]."""
        views = [self.view(window, *group) for group in groups]
        if window.images is not None:
            views = [view[:, window.images] for view in views]
        joined = torch.cat(views, dim=2) if len(views) > 1 else views[0]
        return joined.reshape(joined.shape[0] * joined.shape[1], -1)

    def write(self, window: Window, value: Tensor) -> None:
        """Put [pixels · N, C] into the first C channels."""
        kept = self.view(window)[:, :, 0, : value.shape[1]]
        value = value.view(kept.shape[0], -1, value.shape[1])
        if window.images is None:
            kept.copy_(value)
        else:
            kept[:, window.images] = value


class Ring:
    """What a stream had at the last fronts, with a margin of zeros: what lies outside of the image.

    `taps` are the (front, line) offsets of what is read, `right` the columns by which they reach
    beyond the image, `depth` the number of fronts kept. A front is [lines, N, C].
    """

    def __init__(self, schedule: Schedule, taps: Sequence[tuple[int, int]], right: int, depth: int) -> None:
        self._schedule, self._right, self._depth = schedule, right, depth
        self._before = max(0, *(-line for _, line in taps))
        self._after = max(0, *(line for _, line in taps))
        self._taps = [(front, line + self._before) for front, line in taps]
        self._left: list[tuple[int, int]] = []
        self._fronts: list[Tensor] = []
        self._reads: list[list[tuple[Tensor, int]]] = []

    @property
    def is_allocated(self) -> bool:
        """Whether it has its memory."""
        return bool(self._fronts)

    def allocate(self, images: int, channels: int, like: Tensor) -> None:
        """Take the memory; no effect the second time."""
        if not self._fronts:
            schedule, right = self._schedule, self._right
            # Lines that left the image still hold what they had a turn of the ring ago.
            self._left = [schedule.beyond(front, right) for front in range(schedule.steps + right)]
            shape = (self._before + schedule.lines + self._after, images, channels)
            self._fronts = [like.new_zeros(shape) for _ in range(self._depth)]
            self._reads = [
                [(self._fronts[(turn + front) % self._depth], line) for front, line in self._taps]
                for turn in range(self._depth)
            ]

    def forget(self) -> None:
        """Zeros everywhere, as before the first front."""
        for front in self._fronts:
            front.zero_()

    def clear(self, window: Window) -> None:
        """Zero the lines that have left the image, as far as they are read."""
        first, end = self._left[window.front]
        if first < end:
            self._fronts[window.front % self._depth][self._before + first : self._before + end].zero_()

    def write(self, window: Window, value: Tensor) -> None:
        """Keep the features [pixels · N, C] of a window."""
        self.clear(window)
        front = self._fronts[window.front % self._depth]
        kept = front[self._before + window.first : self._before + window.end]
        if window.images is None:
            kept.copy_(value.view(kept.shape))
        else:
            kept.index_copy_(1, window.images, value.view(len(kept), -1, kept.shape[2]))

    def read(self, window: Window) -> Tensor:
        """The features of all taps beside each other: [pixels · N, taps · C]."""
        first, end, images = window.first, window.end, window.images
        views = [front[first + line : end + line] for front, line in self._reads[window.front % self._depth]]
        if images is not None:
            views = [view.index_select(1, images) for view in views]
        joined = torch.cat(views, dim=2) if len(views) > 1 else views[0]
        return joined.view(-1, joined.shape[2])
