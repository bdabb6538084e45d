"""Taking the steps that trainings ask for: those of one run, or those of several seeds of a variant as one.

Trained together, each seed is the training that it would be alone: its folder, records, states, validations
and its end are its own. All that happens here is that batches are gathered and results handed out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

import torch

from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.system import devices
from pixelcnn.training.clock import Clock
from pixelcnn.training.stacked import StackedStep, stacked
from pixelcnn.training.step import Found, Step


class Training(Protocol):
    """What must be known of a `loop.Training` to take its steps."""

    step: Step
    clock: Clock
    read_at: float

    def read_clock(self) -> None:
        """Count the seconds since `read_at`."""

    def share(self, trainings: int) -> None:
        """Know that so many trainings share this process."""


#: A training from its begin to its end: gives first the `Training` that is ready, which is sent nothing, then
#: asks for `Steps`. What fails a step is thrown in.
TrainingLoop = Generator[Any, Any, Checkpoint]
#: What became of a training: its checkpoint, or what ended it.
Outcome = Checkpoint | Exception


def alone(loop: TrainingLoop, device: torch.device) -> Checkpoint:
    """Train to the end, each step as it is asked for; raises as `loop.fit` does."""
    with _random_generators_kept(device):
        try:
            training, batch = next(loop), next(loop)
            while True:
                batch = loop.send(training.step(*batch))
        except StopIteration as end:
            result: Checkpoint = end.value
            return result
        except BaseException as error:
            loop.throw(error)  # what failed a step ends the loop, which records it; its own error comes back
            raise


def together(loops: Sequence[TrainingLoop], device: torch.device) -> list[Outcome]:
    """Train seeds of one variant on the same images; in their order what became of each.

    What fails one of them leaves the others as they are. Those furthest behind take the next step: so seeds
    that resume from different steps are together once the last of them has caught up.
    """
    members, clock = [_Member(loop) for loop in loops], Clock()
    with _random_generators_kept(device):
        try:
            for member in members:
                member.begin(clock)
            for member in _left(members):
                member.go_on(next, member.loop)
            _train(members, clock)
        except BaseException as error:  # such as a second Ctrl-C: it ends all, and each records it
            for member in members:
                with contextlib.suppress(BaseException):
                    member.loop.throw(error)
            raise
    return [member.outcome for member in members if member.outcome is not None]


class _Member:
    """One of the seeds: how far its loop has come, and what became of it."""

    training: Training

    def __init__(self, loop: TrainingLoop) -> None:
        self.loop = loop
        #: What the loop gave last.
        self.given: Any = None
        self.outcome: Outcome | None = None

    def begin(self, clock: Clock) -> None:
        """Up to where it is ready for its first step."""
        self.go_on(next, self.loop)
        if self.outcome is None:
            self.training = self.given
            self.training.clock = clock

    def go_on(self, how: Callable[..., Any], *given: Any) -> None:
        """Up to the next batch, or to the end."""
        try:
            self.given = how(*given)
        except StopIteration as end:
            self._end(end.value)
        except Exception as error:
            self._end(error)

    def _end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.given = None
        self.__dict__.pop("training", None)  # the stack that it was part of is let go

    @property
    def place(self) -> tuple[str, int]:
        """Those at the same one can take their next step together: a resumed seed keeps its precision."""
        return self.training.step.precision, self.training.step.done


def _left(members: Sequence[_Member]) -> list[_Member]:
    return [member for member in members if member.outcome is None]


def _train(members: Sequence[_Member], clock: Clock) -> None:
    """Take the steps of all, until each has come to its end."""
    group: list[_Member] = []
    sharing = 0
    while left := _left(members):
        if len(left) != sharing:
            sharing = len(left)
            for member in left:
                member.training.share(sharing)
        furthest_behind = min(member.place for member in left)
        before, group = group, [member for member in left if member.place == furthest_behind]
        advice = f"for {len(group)} seeds at once; fewer need less (jobs.seeds_per_job)"
        try:
            with devices.out_of_memory(advice):
                if group != before:
                    whole = _stack(group, before, clock)
                found = _step(whole, group, clock)
        except Exception as error:
            for member in group:
                member.go_on(member.loop.throw, error)
            continue
        for member, of_it in zip(group, found, strict=True):
            member.go_on(member.loop.send, of_it)


def _stack(group: Sequence[_Member], before: Sequence[_Member], clock: Clock) -> StackedStep:
    """Have these take their next steps together, in the place of those that did before."""
    for member in _left(before):
        member.training.read_clock()
    parts = stacked([member.training.step for member in group])
    clock.shared_by = len(group)
    for member, part in zip(group, parts, strict=True):
        member.training.step = part
        member.training.read_at = clock.read()
    return parts[0].whole


def _step(whole: StackedStep, group: Sequence[_Member], clock: Clock) -> list[Found]:
    """What the next step makes of the batch of each."""
    clock.start()
    images, labels = zip(*(member.given for member in group), strict=True)
    nats, norms = whole(torch.stack(images), None if labels[0] is None else torch.stack(labels))
    return list(zip(nats, norms, strict=True))


def _random_generators_kept(device: torch.device) -> contextlib.AbstractContextManager[None]:
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
