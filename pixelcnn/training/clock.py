"""The seconds that steps take, without what is done between them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Counts seconds while it runs; of trainings that share their steps each has an equal part."""

    def __init__(self) -> None:
        self.shared_by = 1
        self._counted = 0.0
        self._since: float | None = None

    def read(self) -> float:
        """The seconds of one training so far."""
        if self._since is not None:
            now = time.perf_counter()
            self._counted += (now - self._since) / self.shared_by
            self._since = now
        return self._counted

    def start(self) -> None:
        """Count from now on, if it does not already."""
        self.read()
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Count no further."""
        self.read()
        self._since = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Do not count what is done in the block."""
        ran = self._since is not None
        self.stop()
        try:
            yield
        finally:
            if ran:
                self.start()
