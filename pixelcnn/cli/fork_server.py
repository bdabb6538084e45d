"""The process whose forks run commands: it has imported what they need. `system/forked.py` is who asks.

    python -m pixelcnn.cli.fork_server SOCKET

It only imports: before it forks it computes nothing and touches no GPU, for threads and GPUs do not survive a
fork. It takes commands until its standard input ends, which the workflow holds open, and itself ends with the
last of them: like any job they outlive a Snakemake that was killed.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import hashlib
import importlib
import marshal
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from pixelcnn.cli import entry
from pixelcnn.system import forked, processes, surroundings
from pixelcnn.system.code_digest import PACKAGE

#: What the jobs import that there are many of. Others import what they lack when they have begun.
MODULES = (
    "cli.analyse", "cli.audit", "cli.classify", "cli.evaluate", "cli.measure", "cli.sample", "cli.train",
    "analysis.cost", "analysis.run", "coding.audit", "config.differences", "evaluation.export",
    "evaluation.run", "images.pictures", "images.while_training", "invariants.before_training",
    "scheduling.planning", "system.gpus", "training.loop", "training.records",
)  # fmt: skip
#: What torch itself imports, in a second, once an optimizer is made or a network is sketched without weights.
OF_TORCH = ("torch._dynamo", "torch.fx.experimental.symbolic_shapes")
#: Seconds that a command may take to say what it is, and within which a signal that came to all processes
#: at once reaches each.
PATIENCE, AT_ONCE = 10.0, 1.0
#: By this Linux sends a signal to a process whose parent ends.
PR_SET_PDEATHSIG = 1


def package_digest() -> str:
    """SHA-256 over the package's files as they are now."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(b"\0".join((os.fsencode(path), path.read_bytes(), b"")))
    return digest.hexdigest()


class Server:
    """Forks for whoever connects to `listening` and would load what this process has `loaded`."""

    def __init__(self, listening: socket.socket, loaded: Mapping[str, object], package: str) -> None:
        self._listening, self._loaded, self._package = listening, loaded, package
        self._jobs: dict[int, socket.socket] = {}  # by process
        self._had: dict[int, float] = {}
        self._ready = selectors.DefaultSelector()
        # Python writes a byte for every signal: so the loop notices the end of a child.
        self._woken, self._wakes = socket.socketpair()
        for end in (self._woken, self._wakes):
            end.setblocking(False)

    def run(self) -> dict[str, Any] | None:
        """Until standard input has ended and no job is left: None. In a fork: the request for it."""
        signal.set_wakeup_fd(self._wakes.fileno())
        for number in (signal.SIGCHLD, *forked.FORWARDED):
            signal.signal(number, self._note)
        for file in (0, self._listening, self._woken):
            self._ready.register(file, selectors.EVENT_READ)
        taking = True
        while taking or self._jobs:
            for key, _ in self._ready.select():
                if key.fileobj == 0:
                    taking = False
                    self._ready.unregister(0)
                    self._ready.unregister(self._listening)
                    self._listening.close()
                elif key.fileobj is self._woken:
                    self._reap()
                elif key.data is not None:
                    self._pass_on(key.data)
                elif taking and (request := self._take()):
                    return request
        return None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._had[number] = time.monotonic()

    def _take(self) -> dict[str, Any] | None:
        """Fork for one that connects; in the fork its request, else None."""
        connection, _ = self._listening.accept()
        connection.settimeout(PATIENCE)
        streams: list[int] = []
        server = os.getpid()
        try:
            request = _received(connection, streams)
            self._check(request["loaded_by"])
            # No signal is lost until the fork has handlers of its own.
            signal.pthread_sigmask(signal.SIG_BLOCK, forked.FORWARDED)
            pid = os.fork()
        except Exception as error:  # whatever it is, it concerns this command alone
            signal.pthread_sigmask(signal.SIG_UNBLOCK, forked.FORWARDED)
            print(f"a command starts in the usual way: {error}", file=sys.stderr, flush=True)
            connection.close()  # by which it knows
            for stream in streams:
                os.close(stream)
            return None
        if pid == 0:
            self._leave(connection, server)
            _take_over(request, streams)
            return request
        signal.pthread_sigmask(signal.SIG_UNBLOCK, forked.FORWARDED)
        for stream in streams:
            os.close(stream)
        self._jobs[pid] = connection
        self._ready.register(connection, selectors.EVENT_READ, pid)
        with contextlib.suppress(OSError):  # then it is gone, which `_pass_on` will see
            connection.sendall(forked.STARTED)
        return None

    def _check(self, asked: Mapping[str, Any]) -> None:
        """Refuse what would load something else than this process did."""
        ours: Mapping[str, Any] = self._loaded
        if asked != ours:
            pairs = {**asked, **asked["environment"]}, {**ours, **ours["environment"]}
            names = {name for pair in pairs for name in pair} - {"environment"}
            other = sorted(name for name in names if pairs[0].get(name) != pairs[1].get(name))
            raise ValueError(f"it has another {', '.join(other)}")
        if package_digest() != self._package:
            raise ValueError("the package was edited")

    def _leave(self, connection: socket.socket, server: int) -> None:
        """In a fork: no part of the server any more, but not to outlive it either."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._ready.close()
        for other in (connection, self._listening, self._woken, self._wakes, *self._jobs.values()):
            other.close()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != server:  # it was killed before that
            os.kill(os.getpid(), signal.SIGTERM)

    def _pass_on(self, pid: int) -> None:
        """Signals for a job, a byte each; SIGTERM if who asked for it is gone."""
        if pid not in self._jobs:  # it ended this moment
            return
        try:
            numbers = self._jobs[pid].recv(64)
        except OSError:
            numbers = b""
        if not numbers:
            self._ready.unregister(self._jobs[pid])
            numbers = bytes([signal.SIGTERM])
        for number in numbers:
            # What this process has got as well went to all, as when a service is stopped: the job has it.
            # A second one would not let it save its state.
            if time.monotonic() - self._had.get(number, -AT_ONCE) >= AT_ONCE:
                os.kill(pid, number)  # no other process has its number until it is waited for

    def _reap(self) -> None:
        """Say of the jobs that have ended how they did."""
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(64):
                pass
        for pid, connection in list(self._jobs.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                connection.sendall(code.to_bytes(forked.STATUS_BYTES, "big", signed=True))
            with contextlib.suppress(KeyError):  # gone before the job was
                self._ready.unregister(connection)
            connection.close()
            del self._jobs[pid]


def _received(connection: socket.socket, streams: list[int]) -> dict[str, Any]:
    """A request; its three open files are put into `streams`, also if the rest does not come."""
    first, given, _, _ = socket.recv_fds(connection, forked.LENGTH_BYTES, 3)
    streams.extend(given)
    length, request = int.from_bytes(first, "big"), b""
    while len(request) < length:
        part = connection.recv(length - len(request))
        if not part:
            raise EOFError
        request += part
    received: dict[str, Any] = marshal.loads(request)
    return received


def _take_over(request: Mapping[str, Any], streams: list[int]) -> None:
    """Be the process that asked, as far as its command can tell."""
    for target, given in enumerate(streams):
        os.dup2(given, target)
        os.close(given)
    for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        was = getattr(sys, name)
        at_once = name == "stderr" or was.write_through or os.isatty(descriptor)
        mode, buffering = ("w", 1 if at_once else -1) if descriptor else ("r", -1)
        encoding, errors = was.encoding, was.errors
        stream = open(descriptor, mode, buffering, encoding=encoding, errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
    os.umask(request["umask"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv, sys.path[:] = request["argv"], request["path"]
    tempfile.tempdir = None  # asked for again, of the environment
    importlib.invalidate_caches()
    for number in forked.FORWARDED:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in request["ignored"] else usual)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, forked.FORWARDED)


def main() -> None:
    """Serve. A fork goes on as the command that was asked for."""
    address, loaded, package = Path(sys.argv[1]), forked.loaded_by(), package_digest()
    surroundings.make_do()
    listening = socket.socket(socket.AF_UNIX)
    address.unlink(missing_ok=True)
    listening.bind(str(address))
    listening.listen(socket.SOMAXCONN)  # who connects from now on waits for the imports
    for name in (*(f"pixelcnn.{name}" for name in MODULES), *OF_TORCH):
        importlib.import_module(name)
    if package_digest() != package:
        sys.exit("the package was edited while it was loaded: jobs start in the usual way")
    gc.collect()
    gc.freeze()  # else the collector of every fork would write to all of these pages, and so copy them
    if Server(listening, loaded, package).run() is None:
        address.unlink(missing_ok=True)
        processes.end(0)
    atexit.register(gc.unfreeze)  # where an exception ends the interpreter, libraries find all of theirs
    entry()


if __name__ == "__main__":
    main()
