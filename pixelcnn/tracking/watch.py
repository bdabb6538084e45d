"""Following run folders: what changed, when to look, when to end, and saying each thing once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import is_lost
from pixelcnn.system.errors import UserError
from pixelcnn.system.processes import process_alive
from pixelcnn.tracking.store import hide_password
from pixelcnn.tracking.summary import Summary

LOOK_SECONDS = 0.2  # how soon a watcher notices a signal or the end of its parent
RETRY_SECONDS = 10.0  # how long a watcher leaves a failed server alone


class Projector(Protocol):
    """What projects a benchmark's folder, as a watcher needs it."""

    def stamps(self) -> object:
        """Changes whenever something is to be projected; None while there is nothing."""

    def project(self, *, only_changed: bool = False) -> Summary:
        """One pass over all runs, or over those that changed."""

    def forget(self) -> None:
        """Take nothing for known: the last pass failed."""


class Watcher:
    """Passes over what changed; says each thing once."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector
        self._seen: object = None
        self._not_before = 0.0
        self._failure: str | None = None
        self._told: set[str] = set()
        self._statuses: dict[str, str] = {}

    def look(self) -> None:
        """A pass over what changed since the last one that went well, if anything did."""
        if time.monotonic() < self._not_before:
            return
        try:
            seen = self._projector.stamps()
            if seen is None or seen == self._seen:
                return
            self._tell(self._projector.project(only_changed=True))
            self._seen = seen
        except Exception as error:  # a watcher must outlive a bad pass, whatever its cause
            self._projector.forget()
            self._not_before = time.monotonic() + RETRY_SECONDS
            reason = _reason(error)
            if self._failure is None:
                _say(f"{reason} (trying again every {RETRY_SECONDS:g} s)")
            self._failure = reason

    def finish(self) -> bool:
        """The last pass, over everything."""
        try:
            summary = self._projector.project()
        except Exception as error:  # at the end of a workflow a line and an answer serve, no trace
            _say(f"the last pass failed: {_reason(error)}")
            return False
        self._tell(summary)
        _say(str(summary).split("\n")[0])
        return summary.ok

    def _tell(self, summary: Summary) -> None:
        if self._failure is not None:
            _say(f"MLflow answers again: {hide_password(summary.uri)}")
            self._failure = None
        for name, status in summary.statuses.items():
            if self._statuses.get(name) != status:
                _say(f"{name}: {status}")
        self._statuses |= summary.statuses
        if summary.notice and summary.notice not in self._told:
            _say(summary.notice)
            self._told.add(summary.notice)
        for problem in summary.problems:
            if problem not in self._told:
                _say(f"problem: {problem}")
        self._told |= set(summary.problems)


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return text.split("\n")[0]


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever a file does; None while there is none. Of a folder: whenever a name in it does."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def signature(folder: RunFolder) -> object:
    """Changes whenever a file of a run does, or its process disappears."""
    growing = [
        path
        for place in (folder, folder.attempt)
        for path in (place.spec_file, place.record_file, place.history_file, place.pictures_folder)
    ]
    stamps = tuple(stamp(path) for path in (*growing, *folder.results))
    try:
        record = folder.attempt.record()
        lost = record is not None and is_lost(record)
    except (UserError, TypeError):
        lost = False  # a damaged record: the pass that reads it tells
    return stamps, lost


class Stop:
    """Set from a signal handler, where an Event could wait for itself."""

    requested = False


def wait(seconds: float, stop: Stop, parent_pid: int | None) -> bool:
    """Sleep in short naps; whether it is time to end."""
    until = time.monotonic() + seconds
    while True:
        if stop.requested or (parent_pid is not None and not process_alive(parent_pid)):
            return True
        left = until - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, LOOK_SECONDS))


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """What SIGTERM and SIGINT set; the same signal once more ends the process at once."""
    stop = Stop()

    def handle(number: int, frame: object) -> None:
        stop.requested = True
        signal.signal(number, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    # One write a line: several watchers may share a log.
    sys.stderr.write(f"track[{os.getpid()}]: {line}\n")
    sys.stderr.flush()
