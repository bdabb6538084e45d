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

from pixelcnn.incremental.memory import Call, Tap, Window, in_rows
from pixelcnn.incremental.workspace import Block, Features, Place, Placed, Prepared, Workspace

#: The delay of what cannot be computed in the order of a schedule.
NEVER = 10**9


@dataclass(frozen=True)
class Read:
    """Features that an operation reads: at its window, or where `taps` say, as they were remembered."""

    features: Features
    taps: tuple[Tap, ...] | None = None


@dataclass(frozen=True, eq=False)
class Operation:
    """Computes features at a window, as calls without arguments on memory that stays where it is.

    Unless told otherwise it reads all its fields that are `Features` at the window.
    """

    #: Whether its output may take the memory of what it reads at the window.
    in_place: ClassVar[bool] = False

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
        read = ", ".join(_read(read) for read in self.reads)
        return f"{type(self).__name__}({read})"

    def _fields(self) -> Iterable[Any]:
        return (getattr(self, field.name) for field in dataclasses.fields(self))


def _read(read: Read) -> str:
    return str(read.features) if read.taps is None else f"{read.features} at {_tap_list(read.taps)}"


def _tap_list(taps: tuple[Tap, ...]) -> str:
    return " ".join(f"({dr},{dc})" for dr, dc in taps)


# ---------------------------------------------------------------------------- at the window itself


@dataclass(frozen=True, eq=False)
class Map(Operation):
    """What function(values, out) puts into `out`; it treats all pixels and images alike."""

    x: Features
    function: Callable[[Tensor, Tensor], Any]

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        return (partial(self.function, memory.at(self.x, window), out),)


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


# ---------------------------------------------------------------------------- around the window


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
        return [memory.canvas.view(window, *group) for group in self.groups]

    def __str__(self) -> str:
        read = [f"pixels at {_tap_list(self.taps)}", *(_read(read) for read in self.reads)]
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
        return [ring.tap(window, dr, dc) for dr, dc in self.taps]


def _join(views: list[Tensor], window: Window, out: Tensor) -> Call:
    """Have `out` [pixels · images, ...] get views [pixels, N, taps or channels, ...] beside each other."""
    images = window.images
    joined = out.view(views[0].shape[0], -1, sum(view.shape[2] for view in views), *views[0].shape[3:])
    if images is None:
        return partial(torch.cat, views, 2, out=joined)
    return partial(_join_picked, views, images, joined)


def _join_picked(views: list[Tensor], images: Tensor, out: Tensor) -> None:
    torch.cat([view.index_select(1, images) for view in views], 2, out=out)
