"""Locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import errno
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pixelcnn.system.errors import UserError

try:
    import fcntl
except ImportError:  # not Unix: there nothing keeps two processes apart
    fcntl = None  # type: ignore[assignment]

POLL_SECONDS = 0.5
#: What a file system answers that has no locks.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


class Locked(UserError):
    """What is asked for is held by another process; the message names it."""


def acquire(path: Path, *, wait: bool = False, on_wait: Callable[[str], None] | None = None) -> IO[str]:
    """Lock a file, made if need be; closing what is returned, or the end of the process, releases it.

    The file stays and says who holds it. With `wait` it is asked for until it is free; `on_wait` is told
    once who holds it. On a file system without locks nothing is locked.

    Raises:
        Locked: if another process holds it and `wait` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a+", encoding="utf-8")  # not "w": that would erase who holds it
    told = False
    while not _try(stream):
        if not wait:
            stream.close()
            raise Locked(f"{path}: in use by {_text(path)}")
        if not told and on_wait is not None:
            on_wait(_text(path))
        told = True
        time.sleep(POLL_SECONDS)
    stream.truncate(0)
    now = datetime.now(UTC)
    stream.write(f"process {os.getpid()} on {platform.node()} since {now:%Y-%m-%d %H:%M:%S} UTC")
    stream.flush()
    return stream


def holder(path: Path) -> str | None:
    """Who holds a lock now, such as "process 12 on host since ..."; None if nobody does."""
    try:
        stream = path.open("r+", encoding="utf-8")
    except OSError:  # not there, or not ours to write: nobody who could be asked
        return None
    with stream:
        return None if _try(stream) else _text(path)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() or "another process"


def _try(stream: IO[str]) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True
