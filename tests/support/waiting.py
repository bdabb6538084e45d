"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Ask twenty times a second until it is so; fails if it does not come."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"it did not come in {seconds} seconds"
        time.sleep(0.05)
