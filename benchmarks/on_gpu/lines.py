"""A line of the table, and how a check or a measurement becomes one whatever happens in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

OK, FAILED, IMPOSSIBLE = "ok", "FAILED", "not possible here"


@dataclass(frozen=True)
class Setting:
    """Where everything runs, and whether a small part of it is enough."""

    device: torch.device
    quick: bool


@dataclass(frozen=True)
class Line:
    """What was looked at, the figure, its unit, and `OK`, `FAILED` or `IMPOSSIBLE`, perhaps with a reason."""

    what: str
    figure: str = ""
    unit: str = ""
    verdict: str = OK

    @property
    def failed(self) -> bool:
        return self.verdict.startswith(FAILED)

    def __str__(self) -> str:
        return f"{self.what:<84} {self.figure:>10} {self.unit:<21} {self.verdict}".rstrip()


def judged(what: str, good: bool, figure: str, unit: str, wanted: str) -> Line:
    """A check, which says what was wanted if that was not found."""
    return Line(what, figure, unit, OK if good else f"{FAILED}: wanted {wanted}")


def impossible(what: str, reason: str) -> Line:
    return Line(what, verdict=f"{IMPOSSIBLE}: {reason}")


def line_of(what: str, work: Callable[[], Line]) -> Line:
    """The line that `work` makes; where it fails, one that says why."""
    try:
        return work()
    except torch.OutOfMemoryError as error:
        return impossible(what, f"out of memory ({_first_line(error)})")
    except Exception as error:
        return Line(what, verdict=f"{FAILED}: {type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:200]
