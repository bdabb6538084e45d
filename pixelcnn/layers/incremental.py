"""The incremental form of a network: what it computes at one front of pixels from what came before.

A network of causal layers is called once with a `Stream` in the place of its features. Each layer
adds its operations to the stream's `Program`; a sampler then runs the program front by front (see
`schedules`). Every activation is computed once, or as often as the sampler asks for.

The lateness of a stream says when: its features at front t are final in step t + lateness. Pixels
are drawn at the end of their step, so theirs is 1; that of a layer follows from its taps. A stream of
lateness 0 or less can be computed in its step; one of lateness 1 depends on pixels of its own front.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pixelcnn.layers.memory import Canvas, Ring, Tap, Window
from pixelcnn.layers.schedules import Schedule
from pixelcnn.layers.symbols import Symbol


class Stream(Symbol):
    """Stands for the features between two layers; they are [pixels · images, C] at a window.

    `shared`: the values must not be overwritten. `is_source`: they are the pixels themselves.
    """

    def __init__(self, program: Program, lateness: int, *, shared: bool = False) -> None:
        self.program = program
        self.lateness = lateness
        self.shared = shared
        self.is_source = False
        self.value: Tensor | None = None
        self.uses = 0

    def use(self) -> Use:
        """Have one more operation read the values, after all that do so already."""
        self.uses += 1
        return self.program.register(Use(self, self.uses))

    def __add__(self, other: Stream) -> Stream:
        return self.program.add(self, other)


class Use:
    """One operation's access to a stream. The last one frees the memory while it is still in the cache."""

    __slots__ = ("_number", "_stream", "is_last", "may_overwrite")

    def __init__(self, stream: Stream, number: int) -> None:
        self._stream, self._number = stream, number
        self.is_last = self.may_overwrite = False

    def settle(self) -> None:
        """Note, once all operations are known, whether this is the last one."""
        self.is_last = self._number == self._stream.uses
        self.may_overwrite = self.is_last and not self._stream.shared

    def take(self) -> Tensor:
        """The values at the current window."""
        value = self._stream.value
        if self.is_last:
            self._stream.value = None
        return value  # type: ignore[return-value]  # the operation that makes it has run


@dataclass(frozen=True)
class _Operation:
    """What runs at the windows of fronts with pixels.

    `output` is its stream, if it has one: without a use of that it need not run. `clear` runs at
    fronts without pixels, also at so many `behind` the last one.
    """

    lateness: int
    run: Callable[[Window], None]
    output: Stream | None = None
    clear: Callable[[Window], None] | None = None
    behind: int = 0


class Program:
    """The operations of a network in their order, for a schedule and a number of images."""

    def __init__(self, schedule: Schedule, images: int) -> None:
        self.schedule, self.images = schedule, images
        self._operations: list[_Operation] = []
        self._uses: list[Use] = []
        self._beginnings: list[Callable[[], None]] = []
        self._windows: list[Window] = []
        #: Neighbouring operations of equal lateness: (lateness, operations).
        self._stages: list[tuple[int, list[_Operation]]] = []
        self._margin = 0
        self.canvas: Canvas

    # ------------------------------------------------------------------- what layers are made of

    def operation(
        self, lateness: int, compute: Callable[[Window], Tensor], *, shared: bool = False
    ) -> Stream:
        """A stream whose value at a window is what `compute` gives; `shared`: it must not be overwritten."""
        stream = Stream(self, lateness, shared=shared)

        def run(window: Window) -> None:
            stream.value = compute(window)

        self._operations.append(_Operation(lateness, run, stream))
        return stream

    def register(self, use: Use) -> Use:
        """Note that an operation reads a stream."""
        self._uses.append(use)
        return use

    def prepared(self, compute: Callable[[], Tensor]) -> list[Tensor]:
        """A list whose only item is what `compute` gave before the first front of the batch."""
        held: list[Tensor] = []

        def begin() -> None:
            held[:] = [compute()]

        self.at_beginning(begin)
        return held

    def at_beginning(self, run: Callable[[], None]) -> None:
        """Have `run` called before the first front of every batch."""
        self._beginnings.append(run)

    def source(self, compute: Callable[[], Tensor]) -> Stream:
        """The stream of the pixels: compute() [N, C, H, W] until the sampler puts others on the `canvas`."""

        def begin() -> None:
            self.canvas = Canvas(self.schedule, compute(), self._margin)

        self.at_beginning(begin)
        stream = self.operation(1, lambda window: self.canvas.read(window))
        stream.is_source = True
        return stream

    def known(self, compute: Callable[[], Tensor]) -> Stream:
        """Features compute() [N, C, H, W] that depend on no pixel."""
        canvases: list[Canvas] = []

        def begin() -> None:
            canvases[:] = [Canvas(self.schedule, compute())]

        self.at_beginning(begin)
        return self.operation(0, lambda window: canvases[0].read(window))

    def map(self, x: Stream, function: Callable[[Tensor], Tensor]) -> Stream:
        """A function of [N, C, ...] that treats all pixels and images alike."""
        use = x.use()
        return self.operation(x.lateness, lambda window: function(use.take()))

    def relu(self, x: Stream) -> Stream:
        """max(x, 0)."""
        use = x.use()

        def run(window: Window) -> Tensor:
            return torch.relu_(use.take()) if use.may_overwrite else torch.relu(use.take())

        return self.operation(x.lateness, run)

    def linear(self, x: Stream, weight: Callable[[], Tensor], bias: Tensor | None) -> Stream:
        """weight() [out, in] times the channels of each pixel, plus bias [out]."""
        use, matrix = x.use(), self.prepared(lambda: weight().t().contiguous())
        if bias is None:
            return self.operation(x.lateness, lambda window: torch.mm(use.take(), matrix[0]))
        return self.operation(x.lateness, lambda window: torch.addmm(bias, use.take(), matrix[0]))

    def add(self, a: Stream, b: Stream) -> Stream:
        """a + b."""
        lateness = max(a.lateness, b.lateness)
        first, second = self.align(a, lateness).use(), self.align(b, lateness).use()

        def run(window: Window) -> Tensor:
            x, y = first.take(), second.take()
            if second.may_overwrite:
                return y.add_(x)
            return x.add_(y) if first.may_overwrite else x + y

        return self.operation(lateness, run)

    def add_per_image(self, x: Stream, compute: Callable[[], Tensor]) -> Stream:
        """x plus a vector for each image, `compute()` [N, C], asked for anew for every batch."""
        use, vectors = x.use(), self.prepared(compute)

        def run(window: Window) -> Tensor:
            value = use.take()
            added = vectors[0] if window.images is None else vectors[0][window.images]
            return (value.view(-1, *added.shape) + added).view(value.shape)

        return self.operation(x.lateness, run)

    def align(self, x: Stream, lateness: int) -> Stream:
        """The same features, remembered until a later step."""
        if x.lateness == lateness:
            return x
        ring = self._ring(x, lateness, [(0, 0)])
        return self.operation(lateness, ring.read, shared=True)

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
            lateness = max((late[i] for i in chosen), default=-width)
            return self._gather(x, lateness, [taps[i] for i in chosen], lambda: weight()[chosen], plus)

        return part(now, part(before, bias)) if before and now else part(inside, bias)

    # ------------------------------------------------------------------------------ running it

    @property
    def first_step(self) -> int:
        """The step of the earliest operation; the first front is that of step 0."""
        return min(0, *(operation.lateness for operation in self._operations))

    def begin(self) -> None:
        """Forget the last batch."""
        if not self._windows:
            self._settle()
        for run in self._beginnings:
            run()

    def advance(self, step: int) -> None:
        """Compute all that is final in this step."""
        steps, windows = self.schedule.steps, self._windows
        for lateness, operations in self._stages:
            front = step - lateness
            if 0 <= front < steps and windows[front].first < windows[front].end:
                window = windows[front]
                for operation in operations:
                    operation.run(window)
            elif front >= 0:
                for operation in operations:
                    if operation.clear is not None and front < steps + operation.behind:
                        operation.clear(windows[front])

    def iterate(self, window: Window) -> None:
        """Compute what depends on pixels of this window's own front, from the pixels as they are now."""
        for lateness, operations in self._stages:
            if lateness > 0:
                for operation in operations:
                    operation.run(window)

    # ------------------------------------------------------------------------------ inner parts

    def _settle(self) -> None:
        """All operations are known: what the last uses are, what needs to run, and at which windows."""
        for use in self._uses:
            use.settle()
        needed = [op for op in self._operations if op.output is None or op.output.uses]
        self._stages = [
            (lateness, list(stage))
            for lateness, stage in itertools.groupby(needed, key=lambda op: op.lateness)
        ]
        fronts = range(self.schedule.steps + max(op.behind for op in needed))
        self._windows = [Window(front, *self.schedule.span(front)) for front in fronts]

    def _gather(
        self,
        x: Stream,
        lateness: int,
        taps: Sequence[Tap],
        weight: Callable[[], Tensor],
        plus: Tensor | Stream,
    ) -> Stream:
        """The weighted sum of some taps, plus a bias or what other taps have given."""
        if not taps:  # all lie outside of the image: a constant, early enough for whoever reads it
            assert isinstance(plus, Tensor)
            bias = plus

            def constant(window: Window) -> Tensor:
                images = self.images if window.images is None else len(window.images)
                return bias.expand((window.end - window.first) * images, -1)

            return self.operation(lateness, constant, shared=True)
        matrix = self.prepared(lambda: weight().transpose(1, 2).flatten(0, 1).contiguous())
        if x.is_source:
            groups = list(_in_rows(taps))
            self._margin = max(self._margin, *(max(-dr, abs(dc)) for dr, dc in taps))
            read: Callable[[Window], Tensor] = lambda window: self.canvas.read(window, groups)  # noqa: E731
        else:
            ring = self._ring(x, lateness, taps)
            self.at_beginning(lambda: ring.allocate(self.images, weight().shape[2], matrix[0]))
            read = ring.read
        if isinstance(plus, Stream):
            use = self.align(plus, lateness).use()
            return self.operation(lateness, lambda window: torch.addmm(use.take(), read(window), matrix[0]))
        return self.operation(lateness, lambda window: torch.addmm(plus, read(window), matrix[0]))

    def _ring(self, x: Stream, lateness: int, taps: Sequence[Tap]) -> Ring:
        offsets = [self.schedule.offset(*tap) for tap in taps]
        depth = lateness - x.lateness - min(front for front, _ in offsets) + 1
        right = max(0, *(dc for _, dc in taps))
        ring = Ring(self.schedule, offsets, right, depth)
        use = x.use()

        def run(window: Window) -> None:
            value = use.take()
            if not ring.is_allocated:
                ring.allocate(self.images, value.shape[1], value)
            ring.write(window, value)

        self.at_beginning(ring.forget)
        self._operations.append(_Operation(x.lateness, run, None, ring.clear, right))
        return ring


def _in_rows(taps: Sequence[Tap]) -> Iterator[tuple[int, int, int, int]]:
    """Neighbouring taps of one row, evenly spaced: (row, first column, count, spacing)."""
    for dr, group in itertools.groupby(taps, key=lambda tap: tap[0]):
        columns = [dc for _, dc in group]
        spacing = columns[1] - columns[0] if len(columns) > 1 else 1
        if spacing > 0 and all(b - a == spacing for a, b in itertools.pairwise(columns)):
            yield dr, columns[0], len(columns), spacing
        else:
            yield from ((dr, column, 1, 1) for column in columns)
