"""Operations that read around the window: pixels, and features where taps say, as they were remembered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from pixelcnn.incremental.memory import Call, Tap, Window, in_rows
from pixelcnn.incremental.operations import Operation, Read, listed, read_as
from pixelcnn.incremental.schedules import Schedule
from pixelcnn.incremental.workspace import Block, Features, Prepared, Workspace


@dataclass(frozen=True, eq=False)
class Source(Operation):
    """The pixels themselves, as they enter the network."""

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        return (_join([memory.canvas.view(window)], window, out),)


@dataclass(frozen=True, eq=False)
class Taps(Operation):
    """The features at taps, beside each other, times matrix [taps · in, out]; plus a bias or features."""

    taps: tuple[Tap, ...]
    matrix: Prepared
    plus: Features | Tensor
    inputs: int
    #: Of those that it gives in steps of those that it reads.
    stride: int

    @cached_property
    def joined(self) -> int:
        return len(self.taps) * self.inputs

    def views(self, memory: Workspace, window: Window) -> list[Tensor]:
        """What the taps have, [pixels, N, ...] of all images, in their order."""
        raise NotImplementedError

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        features = memory.joined(self.joined, window)
        start = memory.at(self.plus, window) if isinstance(self.plus, Features) else self.plus
        join = _join(self.views(memory, window), window, features)
        return join, partial(torch.addmm, start, features, self.matrix.value, out=out)


@dataclass(frozen=True, eq=False)
class PixelTaps(Taps):
    """Of the pixels themselves."""

    @property
    def margin(self) -> int:
        return max(max(-dr, abs(dc)) for dr, dc in self.taps)

    @cached_property
    def groups(self) -> list[tuple[int, int, int, int]]:
        """The taps as the canvas gives them."""
        return in_rows(self.taps)

    def views(self, memory: Workspace, window: Window) -> list[Tensor]:
        return [memory.canvas.view(window, *group, stride=self.stride) for group in self.groups]

    def __str__(self) -> str:
        read = [f"pixels at {listed(self.taps)}", *(read_as(read) for read in self.reads)]
        return f"PixelTaps({', '.join(read)})"


@dataclass(frozen=True, eq=False)
class FeatureTaps(Taps):
    """Of features that are remembered."""

    x: Features

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        plus = (Read(self.plus),) if isinstance(self.plus, Features) else ()
        return (Read(self.x, self.taps), *plus)

    def views(self, memory: Workspace, window: Window) -> list[Tensor]:
        ring = memory.rings[self.x.number]
        return [ring.tap(window, dr, dc, self.stride) for dr, dc in self.taps]


@dataclass(frozen=True, eq=False)
class Slice:
    """What a pixel at one place of a cell has of the cell and its neighbours: the features at `taps`, beside
    each other, times matrix [taps · in, out]."""

    taps: tuple[Tap, ...]
    matrix: Prepared


@dataclass(frozen=True, eq=False)
class Upsampled(Operation):
    """Features of a lattice `factor` times as fine as that of `x`, plus bias [out].

    Each place of a cell has a slice of its own, by its rows and columns from the cell's own place.
    """

    x: Features
    factor: int
    schedule: Schedule
    slices: dict[Tap, Slice]
    bias: Tensor

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        stride, fine = self.x.stride, self.x.stride // self.factor
        found = [(place, tap) for place, part in self.slices.items() for tap in part.taps]
        pixels = [
            (stride * dr - fine * down, stride * dc - fine * right) for (down, right), (dr, dc) in found
        ]
        return (Read(self.x, tuple(tap for _, tap in found), tuple(pixels)),)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(part.matrix for part in self.slices.values())

    @cached_property
    def joined(self) -> int:
        return max(len(part.taps) for part in self.slices.values()) * self.x.channels + len(self.bias)

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        factor = self.factor
        by_line = out.view(window.end - window.first, -1, len(self.bias))
        for group in self.schedule.groups(window.front, factor):
            first, end = (-((group.phase - line) // factor) for line in (window.first, window.end))
            if first < end:
                cells = Window(group.front, first, end, window.images)
                place = by_line[factor * first + group.phase - window.first :: factor]
                yield from self._part(memory, cells, self.slices[group.down, group.right], place)

    def _part(self, memory: Workspace, cells: Window, part: Slice, place: Tensor) -> Iterable[Call]:
        ring, width = memory.rings[self.x.number], len(part.taps) * self.x.channels
        rows = memory.rows(cells)
        space = memory.joined(width + len(self.bias), cells).view(-1)
        features, result = space[: rows * width].view(rows, width), space[rows * width :].view(rows, -1)
        views = [ring.tap(cells, dr, dc) for dr, dc in part.taps]
        yield _join(views, cells, features)
        yield partial(torch.addmm, self.bias, features, part.matrix.value, out=result)
        yield partial(place.copy_, result.view(place.shape))


def _join(views: list[Tensor], window: Window, out: Tensor) -> Call:
    """Have `out` [pixels · images, ...] get views [pixels, N, taps or channels, ...] beside each other."""
    images = window.images
    joined = out.view(views[0].shape[0], -1, sum(view.shape[2] for view in views), *views[0].shape[3:])
    if images is None:
        return partial(torch.cat, views, 2, out=joined)
    return partial(_join_picked, views, images, joined)


def _join_picked(views: list[Tensor], images: Tensor, out: Tensor) -> None:
    torch.cat([view.index_select(1, images) for view in views], 2, out=out)
