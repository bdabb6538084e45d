"""A planned program, allocated and run: front by front, every activation once or as often as asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from pixelcnn.incremental.memory import Call, Canvas, Ring, Window
from pixelcnn.incremental.operations import Operation, Stored
from pixelcnn.incremental.planning import Entry, Plan
from pixelcnn.incremental.program import Program, Stream
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


class Execution:
    """Runs what `output` needs; what was prepared for one batch is called again for the next."""

    def __init__(self, program: Program, output: Stream) -> None:
        self._program, self._output = program, output.features
        self._plan = program.plan(output)
        self._blocks = self._plan.blocks
        self._memory: Workspace | None = None
        #: Neighbouring operations of equal delay.
        self._stages: list[tuple[int, list[Ready]]] = []

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
                (delay, [_ready(entry, memory) for entry in entries])
                for delay, entries in self._plan.stages()
            ]
        self._memory.canvas.fill(blank)
        for block in self._blocks:
            block.begin(self._program.like)
        for ring in self._memory.rings.values():
            ring.clear()

    def advance(self, step: int, up_to: int | None = None) -> Iterator[Call]:
        """Compute all that is final in this step, or what of it has at most such a delay."""
        schedule = self._program.schedule
        for delay, operations in self._stages:
            front = step - delay
            if front < 0 or (up_to is not None and delay > up_to):
                continue
            first, end = schedule.span(front)
            window = Window(front, first, end) if front < schedule.steps and first < end else None
            for operation in operations:
                ring = operation.ring
                if ring is not None and front < schedule.steps + ring.behind:
                    outside = ring.outside(front)
                    if outside is not None:
                        yield outside.zero_
                if window is not None:
                    yield from operation.calls(window)

    def iterate(self, window: Window) -> Iterator[Call]:
        """Compute what depends on pixels of this window's own front, from the pixels as they are then."""
        for delay, operations in self._stages:
            if delay > 0:
                for operation in operations:
                    yield from operation.calls(window)

    @property
    def _allocated(self) -> Workspace:
        assert self._memory is not None, "no batch has begun"
        return self._memory


def _ready(entry: Entry, memory: Workspace) -> Ready:
    operation, output = entry.operation, entry.output
    return Ready(operation, output, memory, memory.rings.get(output.number), isinstance(operation, Stored))


def allocate(plan: Plan, program: Program, blank: Tensor) -> Workspace:
    """All memory of a plan but for the operations' own blocks; `blank` is what the network reads."""
    schedule, images, like = program.schedule, program.images, program.like
    rows = schedule.lines * images
    channels = {entry.output.number: entry.output.channels for entry in plan.entries}
    rings = plan.rings.items()
    memory = Workspace(
        canvas=Canvas(schedule, plan.margin, images, blank.shape[1], like),
        rings={number: Ring(schedule, size, images, channels[number], like) for number, size in rings},
        scratch=plan.scratch,
        pieces=[like.new_empty(rows, count) for count in plan.pieces],
        joined=like.new_empty(rows * plan.joined),
        images=images,
    )
    for entry in plan.entries:
        if isinstance(entry.operation, Stored):
            memory.kept[entry.output.number] = entry.operation.place(memory)
    return memory
