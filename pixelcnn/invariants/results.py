"""The outcome of a check: it holds, there is nothing to check by design, or it fails."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch

import pixelcnn
from pixelcnn.system.errors import described


class Outcome(Enum):
    """What a check has found."""

    OK = "ok"
    #: The architecture states that it lacks what would be checked: slower, but no fault.
    NONE = "none"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Result:
    """What one check has found, and the numbers or the reason."""

    name: str
    outcome: Outcome
    detail: str

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.outcome is not Outcome.FAILED

    def __str__(self) -> str:
        return f"{self.outcome.value:6}  {self.name}: {self.detail}"


def judged(name: str, holds: bool, detail: str) -> Result:
    """Ok or failed."""
    return Result(name, Outcome.OK if holds else Outcome.FAILED, detail)


def none_by_design(name: str, detail: str) -> Result:
    """The architecture has not got what would be checked, and says so."""
    return Result(name, Outcome.NONE, f"not checked: {detail}")


def broken(name: str, error: Exception) -> Result:
    """What would be checked, or the check, ends with an error."""
    return Result(name, Outcome.FAILED, f"BROKEN: {told(error)}")


def told(error: Exception) -> str:
    """What an error says, and where it arose, in one line."""
    return f"{described(error)}{_where(error.__cause__ or error)}"


def guarded(name: str, check: Callable[[], Result]) -> Result:
    """The result of a check, also if it ends with an error."""
    try:
        return check()
    except Exception as error:  # a user's code may raise anything
        return broken(name, error)


def _where(error: BaseException) -> str:
    """The last line of code on the way to an error that is neither torch's nor ours."""
    frames = traceback.extract_tb(error.__traceback__)
    known = [Path(module.__file__).parent for module in (torch, pixelcnn) if module.__file__]
    own = [f for f in frames if not any(Path(f.filename).is_relative_to(folder) for folder in known)]
    own = [frame for frame in own if not frame.filename.startswith("<")]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
