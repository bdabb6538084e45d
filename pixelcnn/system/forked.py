"""Commands that begin in a fork of a process that has imported what they need: the side that asks for it.

A process that imports torch takes seconds before it computes. On one machine the workflow therefore keeps a
server (`cli/fork_server.py`), whose address stands in the environment of its jobs. `hand_over` gives it the
command with its arguments, environment, folder and open streams, and stays until the command has ended:
signals are passed on, and its status is taken over. Without a server, or where a process of one's own would
find something else than the server did, the command starts in the usual way.

Imported before anything else, so by little: this must take milliseconds.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import socket
import sys
from types import FrameType

#: The variable with the path of the server's socket.
ADDRESS = "PIXELCNN_FORK_SERVER"
#: A socket's path may not be longer, in bytes.
LONGEST_PATH = 100
#: What a Snakefile notes for jobs that read it again.
OF_SNAKEFILES = ("PIXELCNN_FORCED", "PIXELCNN_GPUS_OF_A_JOB", "PIXELCNN_TUNING")
#: Variables that decide nothing of what a command does before it begins: it may have others than the server.
FREE = frozenset((ADDRESS, "_", "SHLVL", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMPDIR", "TEMP", *OF_SNAKEFILES))
#: What may be asked of a command, and is passed on; Ctrl-Z is, too. What else ends this process ends the
#: command, for the server sees it.
FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
#: The server's first answer: the command runs. What follows is its exit status, or minus a signal's number.
STARTED = b"+"
LENGTH_BYTES = STATUS_BYTES = 4


def loaded_by() -> dict[str, object]:
    """What decides which code a process loads, and how: the server's must be the command's."""
    return {
        "environment": {name: value for name, value in os.environ.items() if name not in FREE},
        "interpreter": [sys.executable, sys.version, *map(str, sys.flags)],
        "package": os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "cores": sorted(os.sched_getaffinity(0)),
    }


def hand_over() -> None:
    """Run this process's command in a fork of the server and end as it ended; returns where there is none."""
    if not (address := os.environ.get(ADDRESS)):
        return
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address)
        request = marshal.dumps(
            {
                "loaded_by": loaded_by(),
                "argv": sys.argv,
                "path": sys.path,
                "environment": dict(os.environ),
                "folder": os.getcwd(),
                "umask": _umask(),
                "ignored": [int(n) for n in FORWARDED if signal.getsignal(n) == signal.SIG_IGN],
            }
        )
    except OSError:  # gone; or there is no current folder, which the command itself will say
        return
    status = _ask(connection, request)
    if status is None:
        return
    if status < 0:  # by a signal: so ends this process, too
        with contextlib.suppress(OSError):  # SIGKILL has no handler to put back
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _ask(connection: socket.socket, request: bytes) -> int | None:
    """The command's status, see `STARTED`; None if the server does not take it."""
    signals = _Signals(connection)
    try:
        socket.send_fds(connection, [len(request).to_bytes(LENGTH_BYTES, "big")], [0, 1, 2])
        connection.sendall(request)
        signals.pass_on()
        taken = connection.recv(1) == STARTED
    except OSError:
        taken = False
    if not taken:
        signals.give_back()
        return None
    try:
        answer = connection.recv(STATUS_BYTES, socket.MSG_WAITALL)
    except OSError:
        answer = b""
    if len(answer) == STATUS_BYTES:
        return int.from_bytes(answer, "big", signed=True)
    print("pixelcnn: the fork server was killed, and so this command was asked to end", file=sys.stderr)
    return 128 + signal.SIGTERM


class _Signals:
    """The signals that come to this process, for the command: a byte each."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._before = {number: signal.getsignal(number) for number in (*FORWARDED, signal.SIGTSTP)}
        self._came: list[int] = []

    def pass_on(self) -> None:
        """From now on; those that are ignored stay so."""
        for number, handler in self._before.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, self._pause if number == signal.SIGTSTP else self._forward)

    def give_back(self) -> None:
        """Have this process get them again, and those that came meanwhile."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for came in self._came:
            os.kill(os.getpid(), came)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self._came.append(number)
        self._send(number)

    def _pause(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z reaches this process alone: the command stops with it, and goes on with it."""
        self._send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        with contextlib.suppress(OSError):  # the server is gone: the command is asked to end, too
            self._connection.send(bytes([number]))


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
