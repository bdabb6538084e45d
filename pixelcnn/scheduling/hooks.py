"""Before a workflow's first job and after its last: lock, tracker, fork server, a partial report."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.scheduling.commands import PIXELCNN
from pixelcnn.scheduling.freshness import plan_is_current
from pixelcnn.system import forked, locks, surroundings
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import write_json

#: So long the tracker may take to deliver what is left: a server may accept and never answer.
DELIVERY_SECONDS = 300
#: So long the fork server may take to end.
PATIENCE = 10
#: With this in the place of its address every job imports by itself.
NO_FORK_SERVER = "none"
#: What Snakemake sets for a job to the number of its threads.
THREADS = [
    f"{library}_THREADS"
    for library in ("OMP_NUM", "GOTO_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM", "NUMEXPR_NUM")
]


def hold(folder: BenchmarkFolder) -> IO[str]:
    """One workflow a folder: the lock, which ends with this process, however that ends.

    Raises:
        UserError: if another one works there.
    """
    try:
        return locks.acquire(folder.workflow_lock)
    except locks.Locked as error:
        raise UserError(
            f"Another snakemake works on {folder.path}, so this one did nothing: wait for its end. ({error})"
        ) from None


def handed_over(benchmark: Benchmark) -> Path:
    """A file with a benchmark's description for `pixelcnn plan`, the same one for the same description.

    A command line would not hold a large one, and Snakemake takes its braces for wildcards.
    """
    asked = benchmark.to_json()
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    path = surroundings.own_folder() / f"asked-{digest}.json"
    write_json(path, asked)
    return path


class Tracker:
    """`pixelcnn track --watch`: MLflow follows the run folders while the workflow runs.

    One process, started and ended here, so that no training waits for a tracking server and a fresh database
    has one writer. It also ends by itself when this process is gone.
    """

    def __init__(self, folder: BenchmarkFolder, command: Sequence[str] = PIXELCNN) -> None:
        self.folder, self.log = folder, folder.log("track")
        self._command = [*command, "track", str(folder.path), "--watch", "--parent-pid", str(os.getpid())]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it says goes to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as stream:
            # A session of its own: Ctrl-C is for the workflow, and the tracker then still delivers how the
            # runs ended.
            self._process = subprocess.Popen(
                self._command, stdout=stream, stderr=stream, start_new_session=True
            )

    def finish(self, seconds: float = DELIVERY_SECONDS) -> bool:
        """Let it deliver what is left and end; whether it did, or was never started. Else it is said."""
        if self._process is None:
            return True
        self._process.terminate()
        try:
            delivered = self._process.wait(timeout=seconds) == 0
        except subprocess.TimeoutExpired:
            self._process.kill()
            delivered = False
        # Without a config accepted there is nothing to deliver; the failed rule has said why.
        if not delivered and self.folder.config.exists():
            print(
                f"MLflow has not got everything: see {self.log}; the runs are whole, and "
                f"`pixelcnn track {self.folder.path}` delivers them later",
                file=sys.stderr,
            )
        return delivered


class ForkServer:
    """The process that imports once what the jobs of this machine need, see `cli/fork_server.py`.

    It has the environment of a job with so many threads: a job with another one starts in the usual way. Jobs
    find it by `forked.ADDRESS` in theirs. Only on Linux, where a fork that goes on is safe.
    """

    def __init__(self, folder: BenchmarkFolder, threads: int) -> None:
        self.log = folder.log("fork_server")
        self._environment = dict.fromkeys(THREADS, str(threads))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless one is there or unwanted; jobs that come once it listens wait for its imports."""
        address = str(surroundings.own_folder() / f"fork-{os.getpid()}")
        known = forked.ADDRESS in os.environ
        if known or sys.platform != "linux" or len(os.fsencode(address)) > forked.LONGEST_PATH:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w", encoding="utf-8") as stream:
            # A session of its own: Ctrl-C reaches the jobs by the processes that asked for them, and once.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pixelcnn.cli.fork_server", address],
                stdin=subprocess.PIPE, stdout=stream, stderr=stream, start_new_session=True,
                env=os.environ | self._environment,
            )  # fmt: skip
        os.environ[forked.ADDRESS] = address

    def finish(self) -> None:
        """Let it end; it does so by itself when this process is gone."""
        if self._process is None or self._process.stdin is None:
            return
        os.environ.pop(forked.ADDRESS, None)
        self._process.stdin.close()
        try:
            self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:  # jobs are left, which were not waited for; it ends with the last
            return


def partial_report(benchmark: Benchmark, command: Sequence[str] = PIXELCNN) -> Path | None:
    """A report of what there is: its page, or None if even the config was not accepted, or of a tuning.

    It is not marked as whole, and so not taken for the report. Where a variant lies below a known truth the
    command fails, and yet its page is there.
    """
    folder = folder_of(benchmark)
    if benchmark.tunes is not None or not folder.config.exists() or not plan_is_current(benchmark):
        return None
    for mark in (folder.report.whole, folder.report.made_of):
        mark.unlink(missing_ok=True)
    done = subprocess.run([*command, "report", str(folder.path)], check=False)
    written = done.returncode == 0 or folder.report.made_of.exists()
    return folder.report.page if written else None
