"""A process that has no home, no name, or an output that lacks characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.made_up import benchmark, write_run
from pixelcnn.system import surroundings

ROOT = Path(__file__).resolve().parents[2]
#: Makes a process one of a user whom the system does not know, as a container's often is.
UNKNOWN = """
import pwd, runpy, sys
def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = getpwuid
"""
COMMAND = f"{UNKNOWN}\nsys.argv[0] = 'pixelcnn'\nrunpy.run_module('pixelcnn', run_name='__main__')"


def run(folder: Path, code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, env=bare, capture_output=True, encoding="utf-8")


def test_a_command_needs_no_home_no_name_and_no_utf8(tmp_path, empty_database):
    pytest.importorskip("mlflow")  # which asks for a home when it is imported
    made = benchmark(tmp_path / "é 漢", title="Größe · × 漢字", seeds=[0])
    (tmp_path / "é 漢" / "mlflow").mkdir()
    (tmp_path / "é 漢" / "mlflow" / "mlflow.db").write_bytes(empty_database.read_bytes())
    write_run(made, made.runs()[0])
    done = run(tmp_path, COMMAND, "track", "é 漢/toy", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert r"\xe9 \u6f22/mlflow" in done.stdout and "1 created" in done.stdout


@pytest.mark.parametrize("home", [False, True])
def test_what_libraries_ask_for_is_there(tmp_path, home):
    """In a new process, and in what it starts: torch's compiler, MLflow and matplotlib ask so."""
    asked = "getpass.getuser(), Path.home(), os.access(os.environ.get('MPLCONFIGDIR', ''), os.W_OK)"
    code = f"""{UNKNOWN}
import getpass, os, subprocess
from pathlib import Path
from pixelcnn.system import surroundings
surroundings.make_do()
child = [sys.executable, "-c", "import getpass, os; from pathlib import Path; print({asked})"]
print({asked}); sys.stdout.flush(); subprocess.run(child, check=True)
"""
    missing = str(tmp_path / "missing")
    done = run(tmp_path, code, TMPDIR=str(tmp_path), **({"HOME": missing} if home else {}))
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    writable = home or not os.access("/", os.W_OK)  # root needs no other place than its home
    assert first == f"uid{os.getuid()} {missing if home else '/'} {writable}"
    assert second.split()[1:] == first.split()[1:], "what it starts"


def test_what_is_there_stays_as_it_is(tmp_path, monkeypatch):
    for name, value in {"HOME": str(tmp_path), "USER": "me", "LOGNAME": "me", "GOMP_SPINCOUNT": "5"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    before = dict(os.environ)
    surroundings.make_do()
    assert dict(os.environ) == before


@pytest.mark.skipif(sys.platform != "linux", reason="torch comes with another OpenMP there")
@pytest.mark.parametrize(
    ("asked", "spins"),
    [({}, surroundings.SPINS), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "passive"}, "0")],
)
def test_threads_that_wait_for_each_other_soon_sleep(tmp_path, asked, spins):
    """As the library itself says it, when a command loads it."""
    done = run(tmp_path, COMMAND, "score", "m.safetensors", str(tmp_path), OMP_DISPLAY_ENV="verbose", **asked)
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr


def test_a_folder_for_temporary_files_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(surroundings.tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    (tmp_path / f"pixelcnn-{os.getuid()}").mkdir(mode=0o777)
    (tmp_path / f"pixelcnn-{os.getuid()}").chmod(0o777)
    surroundings.make_do()
    chosen = Path(os.environ["MPLCONFIGDIR"])
    assert chosen.parent == tmp_path and not chosen.stat().st_mode & 0o077


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="asks which cores are free as Linux does")
def test_no_process_is_bound_to_the_first_core(tmp_path):
    """Trainings side by side would share it; torch's import is enough."""
    code = f"""{UNKNOWN}
import os
from pixelcnn.system import processes
processes.end = sys.exit  # so that this one goes on
sys.argv = ["pixelcnn", "--version"]
try:
    runpy.run_module("pixelcnn", run_name="__main__")
finally:
    import torch
    print(len(os.sched_getaffinity(0)))
"""
    done = run(tmp_path, code, OMP_PROC_BIND="close", OMP_PLACES="cores")
    assert done.stdout.split()[-1] == str(len(os.sched_getaffinity(0))), done.stderr
