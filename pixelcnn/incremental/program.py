"""The incremental form of a network as it is built: what it computes at a front from what came before.

A network of causal layers is called once with a `Stream` in the place of its features. Each layer
adds its operations to the stream's `Program`. README.md shows one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from pixelcnn.incremental.errors import NoForm
from pixelcnn.incremental.memory import Call, Tap
from pixelcnn.incremental.neighbours import FeatureTaps, PixelTaps, Slice, Source, Upsampled
from pixelcnn.incremental.operations import (
    AddPerImage,
    AddPerPlace,
    Constant,
    Delayed,
    Joined,
    Known,
    Linear,
    Map,
    Operation,
    Relu,
    Stored,
    Sum,
)
from pixelcnn.incremental.planning import Entry, Plan, plan
from pixelcnn.incremental.schedules import Schedule
from pixelcnn.incremental.symbols import Symbol
from pixelcnn.incremental.workspace import Features, Placed, Prepared

#: The delay of what depends on nothing: early enough for layers behind it that read further right.
EARLY = -1024


class Stream(Symbol):
    """Stands for the features between two layers: layers add to its `program` what reads them."""

    def __init__(self, program: Program, features: Features) -> None:
        self.program, self.features = program, features

    @property
    def channels(self) -> int:
        """How many channels they have."""
        return self.features.channels

    @property
    def delay(self) -> int:
        """The features at front t are final in step t + delay."""
        return self.features.delay

    @property
    def stride(self) -> int:
        """They are there at every so many-th row and column of the image."""
        return self.features.stride

    @property
    def schedule(self) -> Schedule:
        """The order of the places that they are at."""
        return self.program.lattice(self.stride)

    def plus(self, other: Stream) -> Stream:
        return self.program.add(self, other)

    def beside(self, others: Sequence[Stream]) -> Stream:
        return self.program.concat([self, *others])

    def __repr__(self) -> str:
        return f"Stream({self.features!r})"


class Program:
    """The operations of a network in their order, for a schedule and a number of images.

    `like` gives dtype and device of its memory. What layers are made of are the methods that take and
    give streams.
    """

    def __init__(self, schedule: Schedule, images: int, like: Tensor) -> None:
        self.schedule, self.images, self.like = schedule, images, like
        self.entries: list[Entry] = []
        #: Gives what the network reads before any pixel is drawn, [N, C, H, W].
        self.blank: Callable[[], Tensor] | None = None
        self._lattices = {1: schedule}

    def plan(self, output: Stream) -> Plan:
        """All operations are there and `output` is what they are for: what to compute, in what memory."""
        return plan(self.schedule, self.entries, output.features)

    def lattice(self, stride: int) -> Schedule:
        """The order of the places at every so many-th row and column."""
        if stride not in self._lattices:
            self._lattices[stride] = self.schedule.coarse(stride)
        return self._lattices[stride]

    def operation(
        self,
        operation: Operation,
        channels: int | None = None,
        delay: int | None = None,
        stride: int | None = None,
    ) -> Stream:
        """The features that an operation gives, as a new stream.

        It has as many channels as the first features that the operation reads, their stride, and is as late
        as the latest that it reads, unless told otherwise.
        """
        read = [read.features for read in operation.reads]
        features = Features(
            number=len(self.entries),
            channels=read[0].channels if channels is None else channels,
            delay=max(features.delay for features in read) if delay is None else delay,
            stride=read[0].stride if stride is None else stride,
        )
        self.entries.append(Entry(features, operation))
        return Stream(self, features)

    def source(self, channels: int, blank: Callable[[], Tensor]) -> Stream:
        """The stream of the pixels: blank() [N, C, H, W] until the sampler puts others on the canvas.

        Pixels are drawn at the end of their step, so their delay is 1.
        """
        self.blank = blank
        return self.operation(Source(), channels, delay=1, stride=1)

    def known(self, channels: int, compute: Callable[[], Tensor], stride: int = 1) -> Stream:
        """Features compute() [N, C, H, W], of the lattice of a stride, that depend on no pixel."""
        return self.operation(Known(Placed(self.lattice(stride), compute)), channels, EARLY, stride)

    def map(self, x: Stream, function: Callable[[Tensor, Tensor], Any], channels: int) -> Stream:
        """What function(values, out) puts into `out`; it treats all pixels and images alike."""
        return self.operation(Map(x.features, partial(partial, function)), channels)

    def prepared_map(self, x: Stream, prepare: Callable[[Tensor, Tensor], Call], channels: int) -> Stream:
        """What prepare(values, out) gives puts it into `out`, once or again: so views are made once."""
        return self.operation(Map(x.features, prepare), channels)

    def relu(self, x: Stream) -> Stream:
        """max(x, 0)."""
        return self.operation(Relu(x.features))

    def linear(self, x: Stream, weight: Callable[[], Tensor], bias: Tensor | None) -> Stream:
        """weight() [out, in] times the channels of each pixel, plus bias [out]."""
        return self.operation(Linear(x.features, Prepared(lambda: weight().t()), bias), len(weight()))

    def add(self, a: Stream, b: Stream) -> Stream:
        """a + b, as late as the later of them."""
        if a.channels != b.channels:
            raise NoForm(f"features of {a.channels} and of {b.channels} channels are added")
        self._need_one_lattice([a, b], "added")
        delay = max(a.delay, b.delay)
        return self.operation(Sum(self.align(a, delay).features, self.align(b, delay).features))

    def concat(self, parts: Sequence[Stream]) -> Stream:
        """The channels of all beside each other, as late as the latest of them."""
        self._need_one_lattice(parts, "put beside each other")
        delay = max(part.delay for part in parts)
        joined = Joined(tuple(self.align(part, delay).features for part in parts))
        return self.operation(joined, sum(part.channels for part in parts))

    def add_per_image(self, x: Stream, compute: Callable[[], Tensor]) -> Stream:
        """x plus a vector for each image, `compute()` [N, C], asked for anew for every batch."""
        return self.operation(AddPerImage(x.features, Prepared(compute)))

    def add_per_place(self, x: Stream, compute: Callable[[], Tensor]) -> Stream:
        """x plus a vector for each place, `compute()` [1, C, H, W], asked for anew for every batch."""
        return self.operation(AddPerPlace(x.features, Placed(x.schedule, compute)))

    def align(self, x: Stream, delay: int) -> Stream:
        """The same features, remembered until a later step."""
        if x.delay == delay:
            return x
        if self._is(x, Known):  # which lies there at any time
            return self.operation(self.entries[x.features.number].operation, x.channels, delay, x.stride)
        return self.operation(Delayed(self._remembered(x).features), delay=delay)

    def correlate(
        self, x: Stream, taps: Sequence[Tap], weight: Callable[[], Tensor], bias: Tensor, stride: int = 1
    ) -> Stream:
        """The sum over taps of weight() [taps, out, in] times the features there, plus bias [out].

        Taps are steps on the lattice of `x`, of which the result has every so many-th row and column. Taps in
        earlier fronts are summed up ahead of those in a front that is computed repeatedly.
        """
        height, width = x.schedule.height, x.schedule.width
        inside = [i for i, (dr, dc) in enumerate(taps) if -dr < height and -width < dc < width]
        late = {i: x.delay + x.stride * x.schedule.offset(*taps[i])[0] for i in inside}
        before = [i for i in inside if late[i] <= 0]
        now = [i for i in inside if late[i] > 0]

        def part(chosen: list[int], plus: Tensor | Stream) -> Stream:
            delay = max(late[i] for i in chosen)
            of = [taps[i] for i in chosen]
            return self._sum_of_taps(x, delay, of, lambda: weight()[chosen], plus, stride)

        if not inside:
            return self.operation(Constant(bias, self.images), len(bias), EARLY, x.stride * stride)
        return part(now, part(before, bias)) if before and now else part(inside, bias)

    def _sum_of_taps(
        self,
        x: Stream,
        delay: int,
        taps: Sequence[Tap],
        weight: Callable[[], Tensor],
        plus: Tensor | Stream,
        stride: int,
    ) -> Stream:
        """The weighted sum of some taps, plus a bias or what other taps have given."""
        channels = plus.channels if isinstance(plus, Stream) else len(plus)
        matrix = Prepared(lambda: weight().transpose(1, 2).flatten(0, 1))
        start = self.align(plus, delay).features if isinstance(plus, Stream) else plus
        if self._is(x, Source):
            operation: Operation = PixelTaps(tuple(taps), matrix, start, x.channels, stride)
        else:
            remembered = self._remembered(x).features
            operation = FeatureTaps(tuple(taps), matrix, start, x.channels, stride, remembered)
        return self.operation(operation, channels, delay, x.stride * stride)

    def upsample(
        self,
        x: Stream,
        factor: int,
        taps: Mapping[Tap, Sequence[Tap]],
        weight: Callable[[Tap], Tensor],
        bias: Tensor,
    ) -> Stream:
        """Features of a lattice `factor` times as fine, plus bias [out].

        A place is (0, 0) to (factor - 1, factor - 1) rows and columns from the first one of its cell. It has
        the sum over its `taps`, steps on the lattice of `x` from the cell, of weight(place) [taps, out, in]
        times the features there.
        """
        if x.stride % factor:
            raise NoForm(f"features of every {x.stride} rows and columns are made {factor} times as fine")
        x = self._remembered(x)
        if self._is(x, Source):
            x = self.map(x, _copy, x.channels)

        def matrix(place: Tap) -> Prepared:
            return Prepared(lambda: weight(place).transpose(1, 2).flatten(0, 1))

        slices = {place: Slice(tuple(taps[place]), matrix(place)) for place in taps}
        fine = self.lattice(x.stride // factor)
        operation = Upsampled(x.features, factor, fine, slices, bias)
        (read,) = operation.reads
        delay = x.delay + max(self.schedule.offset(*pixel)[0] for pixel in read.offsets)
        return self.operation(operation, len(bias), delay, x.stride // factor)

    def _need_one_lattice(self, parts: Sequence[Stream], done: str) -> None:
        strides = sorted({part.stride for part in parts})
        if len(strides) > 1:
            raise NoForm(f"features of strides {' and '.join(map(str, strides))} are {done}")

    def _remembered(self, x: Stream) -> Stream:
        """A stream of these features that can have a ring: not one that lies elsewhere."""
        return self.map(x, _copy, x.channels) if self._is(x, Stored) else x

    def _is(self, x: Stream, kind: type[Operation]) -> bool:
        return isinstance(self.entries[x.features.number].operation, kind)


def _copy(values: Tensor, out: Tensor) -> None:
    out.copy_(values)
