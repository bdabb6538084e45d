"""From who reads what of which features when: what must be computed in which order, and in what memory.

Nothing is allocated here. A plan can be listed, as `str(plan)`.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pixelcnn.incremental.memory import RingSize
from pixelcnn.incremental.neighbours import Source
from pixelcnn.incremental.operations import Operation, Stored
from pixelcnn.incremental.schedules import Schedule
from pixelcnn.incremental.workspace import Block, Features


@dataclass(frozen=True)
class Entry:
    """An operation of a program, and the features that it gives."""

    output: Features
    operation: Operation

    @cached_property
    def inputs(self) -> tuple[Features, ...]:
        """The features that it reads, wherever."""
        return tuple(read.features for read in self.operation.reads)


@dataclass(frozen=True)
class Plan:
    """What is computed, and the sizes of all memory; features go by their number."""

    entries: tuple[Entry, ...]
    #: What remembers features that are read in later steps than their own.
    rings: dict[int, RingSize]
    #: The pieces of scratch memory that features have, and the channels of each piece.
    scratch: dict[int, int]
    pieces: tuple[int, ...]
    #: The most channels that an operation puts beside each other.
    joined: int
    #: How far beyond the image the pixels are read.
    margin: int

    @property
    def blocks(self) -> list[Block]:
        """What the operations have for themselves."""
        return list(dict.fromkeys(block for entry in self.entries for block in entry.operation.blocks))

    @property
    def first_step(self) -> int:
        """The step of the earliest operation; the first front is that of step 0."""
        return min(0, *(entry.output.delay for entry in self.entries))

    @property
    def latest(self) -> int:
        """The greatest delay of any features but the pixels themselves; at least 0."""
        computed = (entry for entry in self.entries if not isinstance(entry.operation, Source))
        return max((entry.output.delay for entry in computed), default=0)

    def stages(self) -> list[tuple[tuple[int, int], list[Entry]]]:
        """Neighbouring operations of equal delay and stride: ((delay, stride), entries)."""
        grouped = itertools.groupby(self.entries, key=lambda entry: (entry.output.delay, entry.output.stride))
        return [(key, list(entries)) for key, entries in grouped]

    def __str__(self) -> str:
        return "\n".join(map(self._line, self.entries))

    def _line(self, entry: Entry) -> str:
        output = entry.output
        if output.number in self.rings:
            size = self.rings[output.number]
            place = f"ring of {size.fronts} front{'s' if size.fronts > 1 else ''}"
        elif isinstance(entry.operation, Stored):
            place = "there"
        else:
            place = f"scratch {self.scratch[output.number]}"
        stride = f"stride {output.stride}  " if output.stride > 1 else ""
        return (
            f"{output!s:4} delay {output.delay:2}  {stride}{output.channels} channels  "
            f"{place:17} {entry.operation}"
        )


def plan(schedule: Schedule, entries: Sequence[Entry], output: Features) -> Plan:
    """All that `output` needs, and memory for it."""
    needed = _needed(entries, output)
    scratch, pieces = assign_scratch(needed, output)
    operations = [entry.operation for entry in needed]
    return Plan(
        entries=tuple(needed),
        rings=_rings(schedule, needed),
        scratch=scratch,
        pieces=pieces,
        joined=max(operation.joined for operation in operations),
        margin=max(operation.margin for operation in operations),
    )


def _needed(entries: Iterable[Entry], output: Features) -> list[Entry]:
    """The operations that `output` depends on, in their order."""
    wanted, needed = {output}, []
    for entry in reversed(list(entries)):
        if entry.output in wanted:
            wanted.update(entry.inputs)
            needed.append(entry)
    return needed[::-1]


def _rings(schedule: Schedule, entries: Iterable[Entry]) -> dict[int, RingSize]:
    """How much of which features is remembered, such that every tap finds what it reads."""
    rings: dict[int, RingSize] = {}
    for entry in entries:
        for read in entry.operation.reads:
            if read.taps is None:
                continue
            # Of the image's own lattice, and in lines of that which is read.
            fronts = [schedule.offset(*pixel)[0] for pixel in read.offsets]
            lines = [schedule.offset(*tap)[1] for tap in read.taps]
            stride = read.features.stride
            # When the reader is at front t, the last front written is t + ahead.
            ahead = entry.output.delay - read.features.delay
            size = rings.get(read.features.number, RingSize(1, 0, 0, 0))
            rings[read.features.number] = RingSize(
                fronts=max(size.fronts, *(1 + (ahead - front) // stride for front in fronts)),
                before=max(size.before, *(-line for line in lines)),
                after=max(size.after, *lines),
                right=max(size.right, *(dc for _, dc in read.taps)),
            )
    return rings


def assign_scratch(entries: Sequence[Entry], output: Features) -> tuple[dict[int, int], tuple[int, ...]]:
    """Give features memory that others no longer need: it is then likely to be in the cache.

    Those that are kept elsewhere have some, too, for when only some images are computed.

    Returns:
        The piece of memory of each features, and the channels of each piece.
    """
    last = {features: entry for entry in entries for features in entry.inputs}
    last.pop(output, None)
    scratch: dict[int, int] = {}
    pieces: list[int] = []
    free: dict[int, list[int]] = defaultdict(list)
    for entry in entries:
        out = entry.output
        ending = [features for features in dict.fromkeys(entry.inputs) if last.get(features) is entry]
        heir = None
        if entry.operation.in_place:
            heir = next((f for f in ending if f.channels == out.channels), None)
        if heir is not None:
            ending.remove(heir)
            scratch[out.number] = scratch[heir.number]
        elif free[out.channels]:
            scratch[out.number] = free[out.channels].pop()
        else:
            scratch[out.number] = len(pieces)
            pieces.append(out.channels)
        for features in ending:
            free[features.channels].append(scratch[features.number])
    return scratch, tuple(pieces)
