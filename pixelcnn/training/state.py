"""The state of an unfinished training on disk: saved whole, checked when read, refused if it does not fit.

`state-DIGEST.pt` lies in the folder of the attempt, keyed by the digest of the spec and declared to no
workflow, so that none deletes it; `state-DIGEST.previous.pt` is the one before. Both stay until the run's
evaluation was accepted.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.config.differences import differences, told
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.checkpoint import DAMAGED, read_tensors
from pixelcnn.results.folder import RunFolder
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import atomic

FORMAT = 1
#: Of the training time: states by the clock are saved less often if saving one takes long.
LARGEST_SHARE = 0.02


class StateRefused(UserError):
    """A saved state that does not belong to the training that is to resume."""


def _previous(path: Path) -> Path:
    return path.with_suffix(".previous.pt")


def save(value: dict[str, Any], path: Path) -> None:
    """Write a state; the one that was there becomes the previous one."""
    # Through memory: torch's own writer reports a full disk as an error of its internals.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **value}, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        if path.exists():
            # A kill between the two renames leaves the previous state, which serves as well.
            os.replace(path, _previous(path))


def discard(run_dir: Path) -> None:
    """Remove every state of a run, those of other specs and damaged ones included; and an empty folder."""
    for path in run_dir.glob(f"{RunFolder(run_dir).state('*').name}*"):
        path.unlink(missing_ok=True)
    with suppress(OSError):  # not there, or it holds more
        run_dir.rmdir()


def load(
    run_dir: Path, spec: RunSpec, *, code: str, data_sha256: str, say: Callable[[str], None]
) -> dict[str, Any] | None:
    """The newest state of a spec that can be read, None if there is none.

    A damaged file is set aside, which `say` is told, and the previous one is taken.

    Raises:
        StateRefused: if the state is of other training code, other data or another format.
        OSError: if a file cannot be read at all.
    """
    folder = RunFolder(run_dir)
    newest = folder.state(spec.digest)
    for path in (newest, _previous(newest)):
        if not path.exists():
            continue
        try:
            value = _read(path)
            _check(value, path, spec, code, data_sha256)
        except DAMAGED as error:
            aside = path.with_suffix(".pt.damaged")
            os.replace(path, aside)
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            say(f"{path}: damaged state, set aside as {aside.name} ({reason})")
            continue
        return value
    for other in sorted(run_dir.glob(folder.state("*").name)):
        say(f"{other}: not used, it is the state of another config ({_other(folder, other, spec)})")
    return None


def _other(folder: RunFolder, path: Path, spec: RunSpec) -> str:
    """What tells a spec from that of a state, where the folder still has the latter."""
    try:
        trained = folder.spec()
    except UserError:
        trained = None  # damaged: this training writes it anew
    if trained is None or path.name.split(".")[0] != folder.state(trained.digest).stem:
        return f"this one has the digest {spec.digest}"
    return told(differences(trained, spec))


def _read(path: Path) -> dict[str, Any]:
    value = read_tensors(path)
    if not isinstance(value, dict) or "format" not in value:
        raise ValueError("it is not a training state")
    return value


def _check(value: dict[str, Any], path: Path, spec: RunSpec, code: str, data_sha256: str) -> None:
    anew = f"remove {RunFolder(path.parent).state('*')} to retrain (`pixelcnn train --force` does)"
    if value["format"] != FORMAT:
        raise StateRefused(f"{path}: a state of format {value['format']}, expected {FORMAT}; {anew}")
    if value["digest"] != spec.digest:
        raise StateRefused(f"{path}: the state of a spec with digest {value['digest']}; {anew}")
    if value["data_sha256"] != data_sha256:
        raise StateRefused(
            f"{path}: was trained on data with SHA-256 {value['data_sha256'][:12]}, the prepared data has "
            f"{data_sha256[:12]}; {anew}"
        )
    if value["code"] != code:
        raise StateRefused(
            f"{path}: was saved by other training code (digest {value['code']}, commit "
            f"{value['record']['commit']}; it is now {code}); go back to that code to resume, or {anew}"
        )


class Saver:
    """When to save the state of a training, and what it cost."""

    def __init__(self, path: Path, spec: SavingSpec) -> None:
        self.path, self.spec = path, spec
        self.seconds = 0.0
        #: Trainings of this process that save their states, each in its turn.
        self.shared_by = 1
        self._cost = 0.0
        self._last = time.monotonic()

    def due_by_clock(self) -> bool:
        """Whether the interval passed, and so much time that saving takes no more than its share."""
        if self.spec.minutes is None:
            return False
        wait = max(60 * self.spec.minutes, self.shared_by * self._cost * (1 / LARGEST_SHARE - 1))
        return time.monotonic() - self._last >= wait

    def due_after(self, before: float, epochs: float) -> bool:
        """Whether the state is to be saved now that `epochs` are done, after `before` of them."""
        every = self.spec.epochs
        return every is not None and epochs // every > before // every

    def save(self, value: dict[str, Any]) -> None:
        """Save a state now."""
        started = time.monotonic()
        save(value, self.path)
        self._last = time.monotonic()
        self._cost = self._last - started
        self.seconds += self._cost
