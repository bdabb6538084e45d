"""What libraries expect of where a process runs and a container may lack: a home folder, a user's name, an
output that takes every character. And what an environment asks for that must not hold here."""

from __future__ import annotations

import getpass
import io
import os
import sys
import tempfile
from pathlib import Path

#: By these OpenMP binds its threads to cores, counted from the first: every training to the same one.
BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
#: How often a thread of GNU OpenMP looks whether the others are there before it sleeps. With its default of
#: 300,000 it keeps its core while another process holds the one that they wait for: a sampler's thousands of
#: short operations then take minutes beside a training, in the place of seconds (docs/performance.md).
SPINS = "10000"


def make_do() -> None:
    """Put something in the place of what is missing, in the environment that children inherit, too.

    What is there stays as it is, but for the binding of threads to cores. Called once, where a process
    begins, before torch is imported.
    """
    for name in BINDING:
        os.environ.pop(name, None)
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    _complete_output()
    try:
        home = Path.home()
    except RuntimeError:  # MLflow's import, among others, would end so
        home = Path("/")  # as container engines have it
        os.environ["HOME"] = str(home)
    try:
        getpass.getuser()
    except (KeyError, OSError):  # torch's compiler asks for it
        os.environ["USER"] = f"uid{os.getuid()}"
    if not os.access(home, os.W_OK):
        # Else matplotlib warns, and looks for the system's fonts anew in each process.
        os.environ.setdefault("MPLCONFIGDIR", str(own_folder()))


def _complete_output() -> None:
    """Characters that the output's encoding lacks are written as escapes, and end no process."""
    for stream in (sys.stdout, sys.stderr):
        utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        if isinstance(stream, io.TextIOWrapper) and not (utf8 and stream.errors != "strict"):
            stream.reconfigure(errors="backslashreplace")


def own_folder() -> Path:
    """A folder for temporary files that is this user's alone, the same for all processes."""
    folder = Path(tempfile.gettempdir()) / f"pixelcnn-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="pixelcnn-"))  # somebody else was there first
    return folder
