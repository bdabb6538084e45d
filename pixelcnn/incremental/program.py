"""The incremental form of a network: what it computes at one front of pixels from what came before.

A network of causal layers is called once with a `Stream` in the place of its features. Each layer
adds its operations to the stream's `Program`. For a window of a front (see `schedules`) an operation
gives calls without arguments on memory that stays where it is. Every activation is computed once, or
as often as a sampler asks for; what was prepared for one batch is called again for the next.

The lateness of a stream says when: its features at front t are final in step t + lateness. Pixels
are drawn at the end of their step, so theirs is 1; that of a layer follows from its taps. A stream of
lateness 0 or less can be computed in its step; one of lateness 1 depends on pixels of its own front, one
of a greater lateness on pixels of later fronts, and a later layer must leave these out.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pixelcnn.incremental.memory import Canvas, Fronts, Ring, Tap, Window, in_rows
from pixelcnn.incremental.schedules import Schedule
from pixelcnn.incremental.symbols import NoForm, Symbol

#: Does a bit of work on memory that is known beforehand.
Call = Callable[[], Any]
#: The lateness of what cannot be computed in the order of a schedule.
NEVER = 10**9
#: The number of the scratch memory of features put beside each other; those of streams come after it.
_JOINED = 0


class Stream(Symbol):
    """Stands for the features between two layers, of which `at` gives those at a window."""

    def __init__(self, program: Program, lateness: int, channels: int) -> None:
        self.program, self.lateness, self.channels = program, lateness, channels
        #: Whether they are the pixels themselves.
        self.is_source = False
        #: Remembers them for later steps, if anything reads them there.
        self.ring: Ring | None = None
        #: Where those of all images lie if not in the scratch memory: [pixels, N, C].
        self.kept: Callable[[Window], Tensor] | None = None
        #: The number of the scratch memory; None as long as no operation needs it.
        self.scratch: int | None = None

    def at(self, window: Window) -> Tensor:
        """Their memory: [pixels · images, C], the images of a pixel beside each other."""
        if self.kept is not None and window.images is None:
            return self.kept(window).view(-1, self.channels)
        # Streams of a window share few pieces of scratch memory.
        assert self.scratch is not None
        place = window.scratch.get(self.scratch)
        if place is None:
            place = self.program.scratch(self.scratch, self.channels, window)
            window.scratch[self.scratch] = place
        return place

    def plus(self, other: Stream) -> Stream:
        return self.program.add(self, other)


@dataclass(frozen=True, eq=False)
class _Operation:
    """Computes `output` from `inputs`, some of which it may read where they are remembered.

    `in_place`: the output may take the place of an input.
    """

    output: Stream
    inputs: tuple[Stream, ...]
    stage: Callable[[Window, Tensor], Iterable[Call]]
    in_place: bool

    def calls(self, window: Window) -> Iterable[Call]:
        """What is to be done at a window."""
        output, ring, images = self.output, self.output.ring, window.images
        if images is None and output.kept is not None and ring is None:
            return ()  # it is there
        calls = self.stage(window, output.at(window))
        if images is None or ring is None:
            return calls
        new = output.at(window).view(-1, images.shape[0], output.channels)
        return (*calls, partial(ring.view(window).index_copy_, 1, images, new))


class Program:
    """The operations of a network in their order, for a schedule and a number of images.

    `like` gives dtype and device of its memory.
    """

    def __init__(self, schedule: Schedule, images: int, like: Tensor) -> None:
        self.schedule, self.images, self.like = schedule, images, like
        self.canvas = Canvas(schedule)
        self._operations: list[_Operation] = []
        self._beginnings: list[Call] = []
        self._scratch: dict[tuple[int, int], Tensor] = {}
        #: Neighbouring operations of equal lateness: (lateness, operations).
        self._stages: list[tuple[int, list[_Operation]]] = []

    # ------------------------------------------------------------------- what layers are made of

    def operation(
        self,
        lateness: int,
        channels: int,
        inputs: Sequence[Stream],
        stage: Callable[[Window, Tensor], Iterable[Call]],
        *,
        in_place: bool = False,
    ) -> Stream:
        """A new stream: the calls of `stage` put its features at a window into the tensor given."""
        stream = Stream(self, lateness, channels)
        self._operations.append(_Operation(stream, tuple(inputs), stage, in_place))
        return stream

    def prepared(self, compute: Callable[[], Tensor]) -> list[Tensor]:
        """A list whose only item is, from the begin of each batch on, what `compute` then gave."""
        held: list[Tensor] = []

        def begin() -> None:
            if held:
                held[0].copy_(compute())
            else:
                held.append(compute().clone(memory_format=torch.contiguous_format))

        self._beginnings.append(begin)
        return held

    def memory(self, *shape: int) -> list[Tensor]:
        """A list whose only item is, from the begin of each batch on, memory of this shape."""
        held: list[Tensor] = []

        def begin() -> None:
            if not held:
                held.append(self.like.new_zeros(shape))

        self._beginnings.append(begin)
        return held

    def source(self, channels: int, compute: Callable[[], Tensor]) -> Stream:
        """The stream of the pixels: compute() [N, C, H, W] until the sampler puts others on the `canvas`."""
        stream = self.operation(
            1,
            channels,
            (),
            lambda window, out: (_join([self.canvas.view(window)], window, out),),
        )
        stream.is_source = True
        self._beginnings.append(lambda: self.canvas.fill(compute()))
        return stream

    def known(self, channels: int, compute: Callable[[], Tensor]) -> Stream:
        """Features compute() [N, C, H, W] that depend on no pixel."""
        fronts: list[Fronts] = []

        def begin() -> None:
            if not fronts:
                fronts.append(Fronts(self.schedule, self.images, channels, self.like))
            fronts[0].fill(compute())

        self._beginnings.append(begin)
        return self._kept(0, channels, (), lambda window: fronts[0].view(window))

    def map(self, x: Stream, function: Callable[[Tensor, Tensor], Any], channels: int) -> Stream:
        """What function(values, out) puts into `out`; it treats all pixels and images alike."""
        return self.operation(
            x.lateness, channels, (x,), lambda window, out: (partial(function, x.at(window), out),)
        )

    def relu(self, x: Stream) -> Stream:
        """max(x, 0)."""
        return self.operation(
            x.lateness,
            x.channels,
            (x,),
            lambda window, out: (partial(torch.clamp_min, x.at(window), 0, out=out),),
            in_place=True,
        )

    def linear(self, x: Stream, weight: Callable[[], Tensor], bias: Tensor | None) -> Stream:
        """weight() [out, in] times the channels of each pixel, plus bias [out]."""
        matrix = self.prepared(lambda: weight().t())

        def stage(window: Window, out: Tensor) -> tuple[Call]:
            if bias is None:
                return (partial(torch.mm, x.at(window), matrix[0], out=out),)
            return (partial(torch.addmm, bias, x.at(window), matrix[0], out=out),)

        return self.operation(x.lateness, len(weight()), (x,), stage)

    def add(self, a: Stream, b: Stream) -> Stream:
        """a + b."""
        if a.channels != b.channels:
            raise NoForm(f"features of {a.channels} and of {b.channels} channels are added")
        lateness = max(a.lateness, b.lateness)
        a, b = self.align(a, lateness), self.align(b, lateness)
        return self.operation(
            lateness,
            a.channels,
            (a, b),
            lambda window, out: (partial(torch.add, a.at(window), b.at(window), out=out),),
            in_place=True,
        )

    def add_per_image(self, x: Stream, compute: Callable[[], Tensor]) -> Stream:
        """x plus a vector for each image, `compute()` [N, C], asked for anew for every batch."""
        vectors = self.prepared(compute)

        def stage(window: Window, out: Tensor) -> tuple[Call]:
            added = vectors[0] if window.images is None else vectors[0][window.images]
            values, sums = (part.view(-1, *added.shape) for part in (x.at(window), out))
            return (partial(torch.add, values, added, out=sums),)

        return self.operation(x.lateness, x.channels, (x,), stage, in_place=True)

    def align(self, x: Stream, lateness: int) -> Stream:
        """The same features, remembered until a later step."""
        if x.lateness == lateness:
            return x
        x, ring = self._remembered(x)
        ring.require(x.lateness - lateness, 0, 0)
        return self._kept(lateness, x.channels, (x,), ring.view)

    def correlate(self, x: Stream, taps: Sequence[Tap], weight: Callable[[], Tensor], bias: Tensor) -> Stream:
        """The sum over taps of weight() [taps, out, in] times the features there, plus bias [out].

        Taps in earlier fronts are summed up ahead of those in a front that is computed repeatedly.
        """
        height, width = self.schedule.height, self.schedule.width
        inside = [i for i, (dr, dc) in enumerate(taps) if -dr < height and -width < dc < width]
        late = {i: x.lateness + self.schedule.offset(*taps[i])[0] for i in inside}
        before = [i for i in inside if late[i] <= 0]
        now = [i for i in inside if late[i] > 0]

        def part(chosen: list[int], plus: Tensor | Stream) -> Stream:
            lateness = max(late[i] for i in chosen)
            return self._gather(x, lateness, [taps[i] for i in chosen], lambda: weight()[chosen], plus)

        if not inside:  # a constant, early enough for whoever reads it
            return self._kept(
                -width, len(bias), (), lambda window: bias.expand(window.end - window.first, self.images, -1)
            )
        return part(now, part(before, bias)) if before and now else part(inside, bias)

    # ------------------------------------------------------------------------------ running it

    def finish(self, output: Stream) -> None:
        """All operations are there and `output` is what they are for: find their order and memory."""
        needed, operations = {output}, []
        for operation in reversed(self._operations):
            if operation.output in needed:
                needed.update(operation.inputs)
                operations.append(operation)
        operations.reverse()
        _assign_scratch(operations, output)
        self._stages = [
            (lateness, list(stage))
            for lateness, stage in itertools.groupby(operations, key=lambda op: op.output.lateness)
        ]

    def begin(self) -> None:
        """Forget the last batch."""
        for run in self._beginnings:
            run()
        for _, operations in self._stages:
            for operation in operations:
                stream = operation.output
                if stream.ring is not None:
                    stream.ring.reset(self.images, stream.channels, self.like)

    @property
    def first_step(self) -> int:
        """The step of the earliest operation; the first front is that of step 0."""
        return min(0, *(lateness for lateness, _ in self._stages))

    @property
    def latest(self) -> int:
        """The greatest lateness of any features but the pixels themselves; at least 0."""
        outputs = (operation.output for _, operations in self._stages for operation in operations)
        return max((stream.lateness for stream in outputs if not stream.is_source), default=0)

    def advance(self, step: int, up_to: int | None = None) -> Iterator[Call]:
        """Compute all that is final in this step, or what of it has at most such a lateness."""
        for lateness, operations in self._stages:
            front = step - lateness
            if front < 0 or (up_to is not None and lateness > up_to):
                continue
            first, end = self.schedule.span(front)
            window = Window(front, first, end) if front < self.schedule.steps and first < end else None
            for operation in operations:
                ring = operation.output.ring
                if ring is not None and front < self.schedule.steps + ring.behind:
                    outside = ring.outside(front)
                    if outside is not None:
                        yield outside.zero_
                if window is not None:
                    yield from operation.calls(window)

    def iterate(self, window: Window) -> Iterator[Call]:
        """Compute what depends on pixels of this window's own front, from the pixels as they are then."""
        for lateness, operations in self._stages:
            if lateness > 0:
                for operation in operations:
                    yield from operation.calls(window)

    def scratch(self, number: int, channels: int, window: Window) -> Tensor:
        """Memory for a window's features, [pixels · images, channels], until their last use."""
        key = number, channels
        if key not in self._scratch:
            self._scratch[key] = self.like.new_empty(self.schedule.lines * self.images, channels)
        images = self.images if window.images is None else window.images.shape[0]
        return self._scratch[key][: (window.end - window.first) * images]

    # ------------------------------------------------------------------------------ inner parts

    def _kept(
        self, lateness: int, channels: int, inputs: Sequence[Stream], view: Callable[[Window], Tensor]
    ) -> Stream:
        """A stream that lies at view(window) [pixels, N, C]; only some of its images must be copied."""

        def stage(window: Window, out: Tensor) -> tuple[Call]:
            assert window.images is not None
            place = view(window.whole)
            picked = out.view(place.shape[0], -1, channels)
            return (partial(torch.index_select, place, 1, window.images, out=picked),)

        stream = self.operation(lateness, channels, inputs, stage)
        stream.kept = view
        return stream

    def _gather(
        self,
        x: Stream,
        lateness: int,
        taps: Sequence[Tap],
        weight: Callable[[], Tensor],
        plus: Tensor | Stream,
    ) -> Stream:
        """The weighted sum of some taps, plus a bias or what other taps have given."""
        matrix = self.prepared(lambda: weight().transpose(1, 2).flatten(0, 1))
        joined = len(taps) * x.channels
        inputs: list[Stream] = []
        views: Callable[[Window], list[Tensor]]
        if x.is_source:
            self.canvas.require(max(max(-dr, abs(dc)) for dr, dc in taps))
            groups = in_rows(taps)
            views = lambda window: [self.canvas.view(window, *group) for group in groups]  # noqa: E731
        else:
            x, ring = self._remembered(x)
            offsets = [self.schedule.offset(*tap) for tap in taps]
            for (front, line), (_, dc) in zip(offsets, taps, strict=True):
                ring.require(front + x.lateness - lateness, line, max(0, dc))
            views = lambda window: [ring.view(window, *offset) for offset in offsets]  # noqa: E731
            inputs.append(x)
        if isinstance(plus, Stream):
            plus = self.align(plus, lateness)
            inputs.append(plus)

        def stage(window: Window, out: Tensor) -> tuple[Call, Call]:
            features = self.scratch(_JOINED, joined, window)
            start = plus.at(window) if isinstance(plus, Stream) else plus
            join = _join(views(window), window, features)
            return join, partial(torch.addmm, start, features, matrix[0], out=out)

        return self.operation(lateness, len(weight()[0]), inputs, stage)

    def _remembered(self, x: Stream) -> tuple[Stream, Ring]:
        """A stream of these features that has a ring, and the ring."""
        if x.kept is not None and x.ring is None:  # it lies elsewhere
            x = self.map(x, lambda values, out: out.copy_(values), x.channels)
        if x.ring is None:
            x.ring = Ring(self.schedule)
            x.kept = x.ring.view
        return x, x.ring


def _join(views: list[Tensor], window: Window, out: Tensor) -> Call:
    """Have `out` [pixels · images, ...] get views [pixels, N, taps or channels, ...] beside each other."""
    images = window.images
    joined = out.view(views[0].shape[0], -1, sum(view.shape[2] for view in views), *views[0].shape[3:])
    if images is None:
        return partial(torch.cat, views, 2, out=joined)
    return lambda: torch.cat([view.index_select(1, images) for view in views], 2, out=joined)


def _assign_scratch(operations: Sequence[_Operation], output: Stream) -> None:
    """Give streams memory that others no longer need: it is then likely to be in the cache."""
    last = {stream: operation for operation in operations for stream in operation.inputs}
    last.pop(output, None)
    free: dict[int, list[int]] = defaultdict(list)
    numbers = itertools.count(_JOINED + 1)
    for operation in operations:
        out = operation.output
        ending = [stream for stream in dict.fromkeys(operation.inputs) if last.get(stream) is operation]
        heir = None
        if operation.in_place:
            heir = next((s for s in ending if s.kept is None and s.channels == out.channels), None)
        if heir is not None:
            ending.remove(heir)
            out.scratch = heir.scratch
        else:
            out.scratch = free[out.channels].pop() if free[out.channels] else next(numbers)
        for stream in ending:
            assert stream.scratch is not None  # its operation came before
            free[stream.channels].append(stream.scratch)
