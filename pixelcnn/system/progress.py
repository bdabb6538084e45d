"""Progress of long work: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

BAR = 24
#: In a log, a training that has not said anything for so many seconds says how far it is.
SILENCE = 60.0


@dataclass
class TrainingProgress:
    """Prints a line a validation; between them a bar of the steps in a terminal, a line a minute in a log.

    It counts in epochs of so many, or in `images` where that is what the training ends after. `history`,
    asked at the first step, gives the lines of the validations before an interruption.
    """

    name: str
    epochs: int | None
    images: int | None = None
    history: Callable[[], Sequence[dict[str, Any]]] = list
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    spoken: float = field(init=False)
    _last: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.spoken = self.clock()

    def on_step(self, done: int, total: int) -> None:
        """A part of the steps until the next validation is done."""
        if self._last is None:
            self._last = [{"epoch": 0, "images": 0}, *self.history()][-1]
        place = f"{self.name} {self._place(math.floor(self._last['epoch']) + 1, self._last['images'])}"
        if self.stream.isatty():
            bar(self.stream, place, done, total)
        elif self.clock() - self.spoken >= SILENCE:
            self._say(f"{place}  {done:,} of {total:,} steps to the next validation")

    def on_validation(self, line: dict[str, Any]) -> None:
        """A validation is done."""
        start = "\r\033[K" if self.stream.isatty() else ""
        self._say(
            f"{start}{self.name} {self._place(line['epoch'], line['images'])}  "
            f"train {line['train_nll']:.2f}  valid {line['valid_nll']:.2f} nats/image  "
            f"{line['images_per_second']:.0f} images/s"
        )
        self._last = line

    def _say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)
        self.spoken = self.clock()

    def _place(self, epoch: float, images: int) -> str:
        if self.images is not None:
            return f"{images:,}/{self.images:,} images"
        return f"epoch {round(epoch, 3)}/{self.epochs}"


def bar(stream: TextIO, name: str, done: int, total: int) -> None:
    """Redraw a bar in the current line of a terminal; its caller ends the line."""
    filled = BAR * done // total
    text = f"\r\033[K{name} [{'#' * filled}{'.' * (BAR - filled)}] {done}/{total}"
    print(text, end="", file=stream, flush=True)


def images_progress(name: str, stream: TextIO) -> Callable[[int, int], None]:
    """A callback (finished images, all images): a bar in a terminal, a line at each tenth in a log."""
    shown = -1

    def on_progress(done: int, total: int) -> None:
        nonlocal shown
        part = done if stream.isatty() else done * 10 // total
        if part == shown:
            return
        shown = part
        if stream.isatty():
            bar(stream, name, done, total)
            if done == total:
                print(file=stream)
        elif part:
            print(f"{name} {done}/{total} images", file=stream, flush=True)

    return on_progress
