"""Progress of long work: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

BAR = 24


@dataclass
class TrainingProgress:
    """Prints one line an epoch and, in a terminal, a bar within it."""

    name: str
    epochs: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    epoch: int = 1

    def on_step(self, done: int, total: int) -> None:
        """A part of the epoch is done."""
        if self.stream.isatty():
            bar(self.stream, f"{self.name} epoch {self.epoch}/{self.epochs}", done, total)

    def on_epoch(self, line: dict[str, Any]) -> None:
        """An epoch is done."""
        start = "\r\033[K" if self.stream.isatty() else ""
        print(
            f"{start}{self.name} epoch {line['epoch']}/{self.epochs}  "
            f"train {line['train_nll']:.2f}  valid {line['valid_nll']:.2f} nats/image  "
            f"{line['images_per_second']:.0f} images/s",
            file=self.stream,
            flush=True,
        )
        self.epoch = line["epoch"] + 1


def bar(stream: TextIO, name: str, done: int, total: int) -> None:
    """Redraw a bar in the current line of a terminal; its caller ends the line."""
    filled = BAR * done // total
    text = f"\r\033[K{name} [{'#' * filled}{'.' * (BAR - filled)}] {done}/{total}"
    print(text, end="", file=stream, flush=True)


def sampling_progress(name: str, stream: TextIO) -> Callable[[int, int], None]:
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
