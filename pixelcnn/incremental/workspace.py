"""All memory that the operations of a program work on: features by their number, at a window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pixelcnn.incremental.memory import Canvas, Fronts, Ring, Window
from pixelcnn.incremental.schedules import Schedule

#: Where features of all images lie: [pixels, N, C] at a window.
Place = Callable[[Window], Tensor]


@dataclass(frozen=True)
class Features:
    """What one operation gives: its number in the program, and when its features are final.

    Those at front t are final in step stride · t + delay. With a stride they are there at every so many-th
    row and column of the image, on a lattice with a schedule of its own.
    """

    number: int
    channels: int
    delay: int
    stride: int = 1

    def __str__(self) -> str:
        return f"#{self.number}"


class Workspace:
    """Where features lie: in a ring, elsewhere for good, or in scratch memory until their last use."""

    def __init__(
        self,
        canvas: Canvas,
        rings: Mapping[int, Ring],
        scratch: Mapping[int, int],
        pieces: Sequence[Tensor],
        joined: Tensor,
        images: int,
    ) -> None:
        """`scratch` says which of the `pieces` [lines · images, C] features have, by their number."""
        self.canvas, self.rings = canvas, rings
        #: Where features are that lie in no scratch memory, by their number.
        self.kept: dict[int, Place] = {number: ring.view for number, ring in rings.items()}
        self._scratch, self._pieces, self._joined, self._images = scratch, pieces, joined, images

    def at(self, features: Features, window: Window) -> Tensor:
        """Their memory: [pixels · images, C], the images of a pixel beside each other."""
        number = features.number
        if window.images is None and number in self.kept:
            return self.kept[number](window).view(-1, features.channels)
        piece = self._scratch[number]
        # The features of a window share few pieces of scratch memory.
        found = window.scratch.get(piece)
        if found is None:
            found = window.scratch[piece] = self._pieces[piece][: self.rows(window)]
        return found

    def joined(self, width: int, window: Window) -> Tensor:
        """Memory for features put beside each other, [pixels · images, width], until the next such use."""
        rows = self.rows(window)
        return self._joined[: rows * width].view(rows, width)

    def rows(self, window: Window) -> int:
        """Pixels times images."""
        images = self._images if window.images is None else window.images.shape[0]
        return (window.end - window.first) * images


class Block(ABC):
    """What an operation has for itself: memory that is there, and right, from the begin of each batch on."""

    @abstractmethod
    def begin(self, like: Tensor) -> None:
        """A batch begins; `like` gives dtype and device."""


class OneTensor(Block):
    """A block that is one tensor."""

    _value: Tensor | None = None

    @property
    def value(self) -> Tensor:
        """The tensor, the same one in every batch."""
        assert self._value is not None, "asked for before a batch began"
        return self._value


class Prepared(OneTensor):
    """What `compute` gave at the begin of the batch, such as a weight as an operation wants it."""

    def __init__(self, compute: Callable[[], Tensor]) -> None:
        self._compute = compute

    def begin(self, like: Tensor) -> None:
        if self._value is None:
            self._value = self._compute().clone(memory_format=torch.contiguous_format)
        else:
            self._value.copy_(self._compute())


class Buffer(OneTensor):
    """Memory of a shape, in which an operation may leave what it likes."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def begin(self, like: Tensor) -> None:
        if self._value is None:
            self._value = like.new_zeros(self.shape)


class Placed(Block):
    """What `compute` [N, C, H, W] gave at the begin of the batch, in the order of a schedule."""

    def __init__(self, schedule: Schedule, compute: Callable[[], Tensor]) -> None:
        self._schedule, self._compute = schedule, compute
        self._fronts: Fronts | None = None

    def begin(self, like: Tensor) -> None:
        values = self._compute()
        if self._fronts is None:
            images, channels = values.shape[:2]
            self._fronts = Fronts(self._schedule, images, channels, like)
        self._fronts.fill(values)

    def view(self, window: Window) -> Tensor:
        """Those of a window, of all images: [pixels, N, C]."""
        assert self._fronts is not None, "asked for before a batch began"
        return self._fronts.view(window)
