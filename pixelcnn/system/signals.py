"""Signals that ask to stop, noted until the work is at a place where it can."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ASKING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def noted() -> Iterator[Callable[[], int | None]]:
    """In the block SIGTERM and SIGINT are only noted; gives a function that says which one came.

    The second one does what it did outside of the block. For the main thread only.
    """
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in ASKING}

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as in the background of a script: not meant for us
            signal.signal(number, note)
    try:
        yield lambda: came[0] if came else None
    finally:
        restore()
