"""Processes of this machine."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from pathlib import Path
from typing import NoReturn


def process_alive(pid: int) -> bool:
    """Whether a process of this machine runs; one that ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # Bytes: a process may have any name.
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return True  # no /proc, or gone this moment: the next look will tell
    return state not in (b"Z", b"X")


def end(status: int) -> NoReturn:
    """End this process, by what is registered for its end but without taking apart all that it imported.

    Of torch that would take longer than many a job computes.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter's own end does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = status or 120  # as the interpreter says it
    os._exit(status)
