"""Which GPU of a machine a process may use: each is claimed, and runs share one only if told to."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pixelcnn.system import locks


@dataclass(frozen=True)
class Claim:
    """A place on a GPU: its index among those that were offered, and the lock that holds the place."""

    index: int
    lock: IO[str]

    def release(self) -> None:
        """Give the place back; the end of the process does, too."""
        self.lock.close()


def claim(
    gpus: Sequence[str],
    *,
    runs_per_gpu: int = 1,
    folder: Path | None = None,
    on_wait: Callable[[str], None] = lambda sentence: None,
) -> Claim:
    """A place on one of `gpus` (names that are the same in every process, such as UUIDs), once one is free.

    Every GPU takes its first run before any takes its second. The places of a machine's GPUs are lock files
    in `folder`, by default one for each user in the folder for temporary files.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"pixelcnn-gpus-{os.getuid()}"
    told = False
    while True:
        for place in range(runs_per_gpu):
            for index, name in enumerate(gpus):
                path = folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', name)}.{place}.lock"
                try:
                    return Claim(index, locks.acquire(path))
                except locks.Locked:
                    continue
        if not told:
            on_wait(f"waits for a GPU: all {len(gpus)} are taken, {runs_per_gpu} run(s) on each")
        told = True
        time.sleep(locks.POLL_SECONDS)
