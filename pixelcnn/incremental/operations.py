"""What programs are made of: each operation computes features at a window, from others.

An operation is a value: a frozen dataclass whose fields say what it reads (`Features`, `Read`), what it
has for itself (blocks) and what it computes. It owns no memory of features; `planning` gives them theirs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from pixelcnn.incremental.memory import Call, Tap, Window
from pixelcnn.incremental.workspace import Block, Features, Place, Placed, Prepared, Workspace

#: The delay of what cannot be computed in the order of a schedule.
NEVER = 10**9


@dataclass(frozen=True)
class Read:
    """Features that an operation reads: at its window, or where `taps` say, as they were remembered.

    Taps are steps on the features' own lattice. `pixels` are the same from the pixel that reads, in rows and
    columns of the image; None: it lies on that lattice, too.
    """

    features: Features
    taps: tuple[Tap, ...] | None = None
    pixels: tuple[Tap, ...] | None = None

    @property
    def offsets(self) -> tuple[Tap, ...]:
        """Rows and columns of the image from the pixel that reads to those that it reads."""
        if self.pixels is not None:
            return self.pixels
        stride = self.features.stride
        return tuple((stride * dr, stride * dc) for dr, dc in self.taps or ())


@dataclass(frozen=True, eq=False)
class Operation:
    """Computes features at a window, as calls without arguments on memory that stays where it is.

    Unless told otherwise it reads all its fields that are `Features` at the window.
    """

    #: Whether its output may take the memory of what it reads at the window.
    in_place: ClassVar[bool] = False
    #: Whether each call goes through what was kept of all earlier pixels: fewer calls then take less time.
    looks_back: ClassVar[bool] = False

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        """What it reads of which features."""
        return tuple(Read(field) for field in self._fields() if isinstance(field, Features))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What it has for itself."""
        return tuple(field for field in self._fields() if isinstance(field, Block))

    @property
    def margin(self) -> int:
        """How far beyond the image it reads the pixels themselves."""
        return 0

    @property
    def joined(self) -> int:
        """Channels that it puts beside each other for itself."""
        return 0

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        """What puts the features at a window into `out` [pixels · images, C]."""
        raise NotImplementedError

    def __str__(self) -> str:
        read = ", ".join(read_as(read) for read in self.reads)
        return f"{type(self).__name__}({read})"

    def _fields(self) -> Iterable[Any]:
        return (getattr(self, field.name) for field in dataclasses.fields(self))


def read_as(read: Read) -> str:
    """What is read, in a line of a plan."""
    return str(read.features) if read.taps is None else f"{read.features} at {listed(read.taps)}"


def listed(taps: tuple[Tap, ...]) -> str:
    """Taps in a line of a plan."""
    return " ".join(f"({dr},{dc})" for dr, dc in taps)


# ---------------------------------------------------------------------------- at the window itself


@dataclass(frozen=True, eq=False)
class Map(Operation):
    """What prepare(values, out)() puts into `out`; it treats all pixels and images alike."""

    x: Features
    prepare: Callable[[Tensor, Tensor], Call]

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        return (self.prepare(memory.at(self.x, window), out),)


@dataclass(frozen=True, eq=False)
class Relu(Operation):
    """max(x, 0)."""

    x: Features
    in_place: ClassVar[bool] = True

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        return (partial(torch.clamp_min, memory.at(self.x, window), 0, out=out),)


@dataclass(frozen=True, eq=False)
class Linear(Operation):
    """The channels of each pixel times matrix [in, out], plus bias [out]."""

    x: Features
    matrix: Prepared
    bias: Tensor | None

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        values = memory.at(self.x, window)
        if self.bias is None:
            return (partial(torch.mm, values, self.matrix.value, out=out),)
        return (partial(torch.addmm, self.bias, values, self.matrix.value, out=out),)


@dataclass(frozen=True, eq=False)
class Sum(Operation):
    """a + b, of equal delay."""

    a: Features
    b: Features
    in_place: ClassVar[bool] = True

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        return (partial(torch.add, memory.at(self.a, window), memory.at(self.b, window), out=out),)


@dataclass(frozen=True, eq=False)
class Joined(Operation):
    """The channels of several features of equal delay beside each other."""

    parts: tuple[Features, ...]

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        return tuple(map(Read, self.parts))

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        return (partial(torch.cat, [memory.at(part, window) for part in self.parts], 1, out=out),)


@dataclass(frozen=True, eq=False)
class AddPerImage(Operation):
    """x plus a vector for each image, [N, C]."""

    x: Features
    vectors: Prepared
    in_place: ClassVar[bool] = True

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        vectors = self.vectors.value
        added = vectors if window.images is None else vectors[window.images]
        values, sums = (part.view(-1, *added.shape) for part in (memory.at(self.x, window), out))
        return (partial(torch.add, values, added, out=sums),)


@dataclass(frozen=True, eq=False)
class AddPerPlace(Operation):
    """x plus a vector for each place, the same for all images: [1, C, H, W]."""

    x: Features
    vectors: Placed
    in_place: ClassVar[bool] = True

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        added = self.vectors.view(window)
        shape = len(added), -1, self.x.channels
        values, sums = memory.at(self.x, window).view(shape), out.view(shape)
        return (partial(torch.add, values, added, out=sums),)


# ---------------------------------------------------------------------------- there without computing


class Stored(Operation):
    """Features that lie somewhere already; those of only some images must be copied."""

    def place(self, memory: Workspace) -> Place:
        """Where those of all images are: [pixels, N, C] at a window."""
        raise NotImplementedError

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        if window.images is None:
            return ()
        place = self.place(memory)(window.whole)
        picked = out.view(place.shape[0], -1, place.shape[2])
        return (partial(torch.index_select, place, 1, window.images, out=picked),)


@dataclass(frozen=True, eq=False)
class Delayed(Stored):
    """The same features, remembered until a later step."""

    x: Features

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        return (Read(self.x, ((0, 0),)),)

    def place(self, memory: Workspace) -> Place:
        return memory.rings[self.x.number].view


@dataclass(frozen=True, eq=False)
class Known(Stored):
    """Features that depend on no pixel."""

    values: Placed

    def place(self, memory: Workspace) -> Place:
        return self.values.view


@dataclass(frozen=True, eq=False)
class Constant(Stored):
    """The same vector [C] at every pixel of so many images."""

    vector: Tensor
    images: int

    def place(self, memory: Workspace) -> Place:
        return self._expanded

    def _expanded(self, window: Window) -> Tensor:
        return self.vector.expand(window.end - window.first, self.images, -1)
