"""A planned program, allocated and run: front by front, every activation once or as often as asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from pixelcnn.incremental.memory import Call, Canvas, Ring, RingSize, Window
from pixelcnn.incremental.operations import Operation, Stored
from pixelcnn.incremental.planning import Entry, Plan
from pixelcnn.incremental.program import Program, Stream
from pixelcnn.incremental.schedules import Schedule
from pixelcnn.incremental.workspace import Features, Workspace


@dataclass(frozen=True, eq=False)
class Ready:
    """An operation with its memory."""

    operation: Operation
    output: Features
    memory: Workspace
    #: What remembers the output, if anything does.
    ring: Ring | None
    is_stored: bool

    def calls(self, window: Window) -> Iterable[Call]:
        """What is to be done at a window."""
        images, ring = window.images, self.ring
        if images is None and self.is_stored:
            return ()
        out = self.memory.at(self.output, window)
        calls = self.operation.calls(self.memory, window, out)
        if images is None or ring is None:
            return calls
        new = out.view(-1, images.shape[0], self.output.channels)
        return (*calls, partial(ring.view(window).index_copy_, 1, images, new))


@dataclass(frozen=True, eq=False)
class Stage:
    """Operations whose features at front t of their lattice are final in step stride · t + delay."""

    delay: int
    stride: int
    schedule: Schedule
    operations: list[Ready]


class Execution:
    """Runs what `output` needs; what was prepared for one batch is called again for the next."""

    def __init__(self, program: Program, output: Stream) -> None:
        self._program, self._output = program, output.features
        self._plan = program.plan(output)
        self._blocks = self._plan.blocks
        self._memory: Workspace | None = None
        #: Neighbouring operations of equal delay and on one lattice.
        self._stages: list[Stage] = []

    @property
    def first_step(self) -> int:
        """The step of the earliest operation; the first front is that of step 0."""
        return self._plan.first_step

    @property
    def canvas(self) -> Canvas:
        """Where the network sees the pixels."""
        return self._allocated.canvas

    def output(self, window: Window) -> Tensor:
        """Memory of the output at a window: [pixels · images, C]."""
        return self._allocated.at(self._output, window)

    def begin(self) -> None:
        """Forget the last batch; before the first one, allocate all memory."""
        assert self._program.blank is not None, "a program begins with its source"
        blank = self._program.blank()
        if self._memory is None:
            self._memory = memory = allocate(self._plan, self._program, blank)
            self._stages = [
                Stage(delay, stride, self._program.lattice(stride), [_ready(e, memory) for e in entries])
                for (delay, stride), entries in self._plan.stages()
            ]
        self._memory.canvas.fill(blank)
        for block in self._blocks:
            block.begin(self._program.like)
        for ring in self._memory.rings.values():
            ring.clear()

    def advance(self, step: int, up_to: int | None = None) -> Iterator[Call]:
        """Compute all that is final in this step, or what of it has at most such a delay."""
        for stage in self._stages:
            front, off = divmod(step - stage.delay, stage.stride)
            if front < 0 or off or (up_to is not None and stage.delay > up_to):
                continue
            schedule = stage.schedule
            first, end = schedule.span(front)
            window = Window(front, first, end) if front < schedule.steps and first < end else None
            for operation in stage.operations:
                ring = operation.ring
                if ring is not None and front < schedule.steps + ring.behind:
                    outside = ring.outside(front)
                    if outside is not None:
                        yield outside.zero_
                if window is not None:
                    yield from operation.calls(window)

    def iterate(self, window: Window) -> Iterator[Call]:
        """Compute what depends on pixels of this window's own front, from the pixels as they are then.

        In the order of rows, where a window is also one on a coarser lattice, of the places that it holds.
        """
        windows = {1: window}
        for stage in self._stages:
            if stage.delay > 0 and window.front % stage.stride == 0:
                own = windows.setdefault(stage.stride, _coarse(window, stage.stride))
                if own.first < own.end:
                    for operation in stage.operations:
                        yield from operation.calls(own)

    @property
    def _allocated(self) -> Workspace:
        assert self._memory is not None, "no batch has begun"
        return self._memory


def _coarse(window: Window, stride: int) -> Window:
    """The places of a window that lie on the lattice of this stride."""
    first, end = (-(-line // stride) for line in (window.first, window.end))
    return Window(window.front // stride, first, end, window.images)


def _ready(entry: Entry, memory: Workspace) -> Ready:
    operation, output = entry.operation, entry.output
    return Ready(operation, output, memory, memory.rings.get(output.number), isinstance(operation, Stored))


def allocate(plan: Plan, program: Program, blank: Tensor) -> Workspace:
    """All memory of a plan but for the operations' own blocks; `blank` is what the network reads."""
    schedule, images, like = program.schedule, program.images, program.like
    rows = schedule.lines * images
    features = {entry.output.number: entry.output for entry in plan.entries}

    def ring(size: RingSize, of: Features) -> Ring:
        return Ring(program.lattice(of.stride), size, images, of.channels, like)

    memory = Workspace(
        canvas=Canvas(schedule, plan.margin, images, blank.shape[1], like),
        rings={number: ring(size, features[number]) for number, size in plan.rings.items()},
        scratch=plan.scratch,
        pieces=[like.new_empty(rows, count) for count in plan.pieces],
        joined=like.new_empty(rows * plan.joined),
        images=images,
    )
    for entry in plan.entries:
        if isinstance(entry.operation, Stored):
            memory.kept[entry.output.number] = entry.operation.place(memory)
    return memory
