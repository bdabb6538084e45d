"""Locks and places on GPUs end with the process that holds them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixelcnn.system import gpus, locks

HOLD = "import sys; from pathlib import Path; from pixelcnn.system import locks; " \
    "lock = locks.acquire(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def holding():
    """Starts a process that holds a lock until it is killed."""
    processes = []

    def start(path: Path) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", HOLD, str(path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen(words, **pipes, env={**os.environ, "PYTHONPATH": str(ROOT)})
        processes.append(process)
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path, holding):
    path = tmp_path / "folder" / ".lock"
    assert locks.holder(path) is None
    process = holding(path)
    assert f"process {process.pid} on " in locks.holder(path)
    with pytest.raises(locks.Locked, match=f"in use by process {process.pid} on .* since "):
        locks.acquire(path)
    told: list[str] = []

    def kill(holder: str) -> None:
        told.append(holder)
        process.kill()

    with locks.acquire(path, wait=True, on_wait=kill):
        assert len(told) == 1 and f"process {process.pid}" in told[0]
        assert f"process {os.getpid()}" in path.read_text(encoding="utf-8")
    assert locks.holder(path) is None


def test_a_file_system_without_locks_is_no_hindrance(tmp_path, monkeypatch):
    def refuse(stream, how):
        raise OSError(locks.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with locks.acquire(tmp_path / "a"), locks.acquire(tmp_path / "a"):
        pass


def test_every_gpu_is_taken_before_one_is_shared(tmp_path):
    def claim(**options):
        return gpus.claim(["GPU-a", "GPU/b"], folder=tmp_path, **options)

    first, second = claim(), claim()
    assert (first.index, second.index) == (0, 1)
    shared = [claim(runs_per_gpu=2) for _ in range(2)]
    assert [place.index for place in shared] == [0, 1]
    told: list[str] = []

    def release(sentence: str) -> None:
        told.append(sentence)
        second.release()

    assert claim(on_wait=release).index == 1
    assert len(told) == 1 and "all 2 are taken" in told[0]


def test_a_place_on_a_gpu_is_free_when_its_process_is_gone(tmp_path, holding):
    process = holding(tmp_path / "GPU-a.0.lock")
    told: list[str] = []

    def kill(sentence: str) -> None:
        told.append(sentence)
        process.kill()

    assert gpus.claim(["GPU-a"], folder=tmp_path, on_wait=kill).index == 0
    assert len(told) == 1
