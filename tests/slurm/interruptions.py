"""What can happen to a training on a cluster. Each is done to one that is held in the middle of its work."""

from __future__ import annotations

import math
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from slurm import workflows
from support.waiting import wait_for

from pixelcnn.results.folder import RunFolder

#: SLURM looks at time limits each half minute: a training warned as late as that still has time to save.
SHORTEST_SECONDS = 60
#: Interrupts a held training, given its SLURM job's number and its process.
Interruption = Callable[[str, int], None]


class Hold:
    """Stops trainings in the middle, and knows what they had done by then."""

    def __init__(self) -> None:
        self.histories: dict[Path, list[dict[str, Any]]] = {}
        self._pids: set[int] = set()

    def __call__(self, run: RunFolder, workflow: subprocess.Popen[str], before: int = 0) -> int:
        """Stop the process of a training, another than the one before, after two epochs; returns it."""
        done = len(run.attempt.history())

        def in_the_middle() -> bool:
            assert workflow.poll() is None, f"the workflow ended before {run.path} was interrupted"
            record = run.attempt.record()
            return record is not None and record.pid != before and len(run.attempt.history()) >= done + 2

        wait_for(in_the_middle, seconds=300)
        record = run.attempt.record()
        assert record is not None and record.status == "running"
        os.kill(record.pid, signal.SIGSTOP)
        self._pids.add(record.pid)
        self.histories[run.path] = run.attempt.history()
        return record.pid

    def release(self) -> None:
        """End what is still held, as after a test that failed."""
        for pid in self._pids:
            with suppress(FileNotFoundError, ProcessLookupError):
                if b"pixelcnn" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)


def cancel(job: str, pid: int) -> None:
    """The user changes their mind; SLURM's signal to end comes with the one to go on."""
    slurm("scancel", job)


def kill(job: str, pid: int) -> None:
    """As the kernel does when memory runs out."""
    os.kill(pid, signal.SIGKILL)


def requeue(job: str, pid: int) -> None:
    """An administrator queues the job again."""
    slurm("scontrol", "requeue", job)
    start_again(job)


def push_out(job: str, pid: int) -> None:
    """An urgent job needs the GPU, and SLURM queues the other one again."""
    slurm("srun", "--partition=urgent", "--gpus=1", "true")
    start_again(job)


def limit(job: str, pid: int) -> None:
    """The time limit comes near: within half a minute SLURM warns, and lets the training go on for that."""
    elapsed = (datetime.now() - workflows.job_of(job).started).total_seconds()
    minutes = math.ceil((elapsed + SHORTEST_SECONDS) / 60)
    slurm("scontrol", "update", f"JobId={job}", f"TimeLimit={minutes}")


def start_again(job: str) -> None:
    """SLURM lets a job that it has queued again wait two minutes; not here."""

    def queued_again() -> bool:
        shown = workflows.job_of(job)
        return shown.state == "PENDING" and shown.fields["Restarts"] != "0"

    wait_for(queued_again)
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")


def slurm(*command: str) -> None:
    """Run one of SLURM's commands."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
