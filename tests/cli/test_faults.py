"""What machines and people do to a benchmark: each fault gives one clear message, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.toy import toy

from pixelcnn.cli import main
from pixelcnn.results.folder import RunFolder
from pixelcnn.system import devices
from pixelcnn.system.errors import RunFailed

RUN = ["toy.yaml", "--variant", "base", "--seed", "0"]
FOLDER = Path("results/toy/toy/base/seed0")
DATA = Path("results/toy/toy/data.npz")


@contextlib.contextmanager
def mounted(path: Path, options: str):
    """A file system of its own in memory; skips where one may not be made."""
    path.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(path)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("mounting a file system needs to be root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def said(capsys) -> str:
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_a_full_disk_stops_a_training_which_goes_on_once_there_is_room(folder, capsys):
    toy(folder, training={"epochs": 6, "batch_size": 16}, saving={"epochs": 1})
    main(["prepare", "toy.yaml"])
    assert main(["train", *RUN[:-1], "1"]) == 0
    wanted = [line["valid_nll"] for line in RunFolder(FOLDER.parent / "seed1").history()]
    capsys.readouterr()
    with mounted(FOLDER.parent, "size=1M"):
        toy(folder, seeds=[0, 1], training={"epochs": 6, "batch_size": 16}, saving={"epochs": 1})
        ballast = FOLDER.parent / "ballast"
        with contextlib.suppress(OSError):
            ballast.write_bytes(bytes(2**20 - 2**16))
        assert main(["train", *RUN[:-1], "1"]) == 1
        assert "No space left on device" in said(capsys)
        run = RunFolder(FOLDER.parent / "seed1")
        assert not run.checkpoint.exists(), "nothing broken looks finished"
        ballast.unlink()
        assert main(["train", *RUN[:-1], "1"]) == 0
        assert run.record().status == "finished"
        assert [line["valid_nll"] for line in run.history()] == wanted


def test_a_results_folder_that_is_read_only_is_named(folder, capsys):
    main(["prepare", "toy.yaml"])
    with mounted(FOLDER.parent, "ro"):
        assert main(["train", *RUN]) == 1
        error = said(capsys)
        assert "Read-only file system" in error and str(FOLDER) in error


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "damaged prepared data"),
        (lambda path: path.write_bytes(b""), "damaged prepared data"),
        (lambda path: np.savez(path, x=np.zeros(3)), "damaged prepared data"),
        (lambda path: alter(path), "altered"),
    ],
)
def test_prepared_data_that_were_corrupted_are_refused(folder, capsys, damage, words):
    main(["prepare", "toy.yaml"])
    damage(DATA)
    assert main(["train", *RUN]) == 2
    error = said(capsys)
    assert str(DATA) in error and words in error and "delete it and prepare" in error


def alter(path: Path) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    arrays["train_images"][0, 0, 0, 0] ^= 1
    np.savez(path, **arrays)


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a checkpoint"),
        lambda path: flip(path),
        lambda path: path.write_bytes(pickle.dumps(Malicious(), protocol=2)),
        lambda path: torch.save({"format": 1, "spec": Malicious()}, path),
    ],
    ids=["truncated", "empty", "text", "flipped", "malicious", "malicious zip"],
)
def test_a_damaged_or_malicious_checkpoint_is_refused_and_trained_again(folder, capsys, damage):
    main(["prepare", "toy.yaml"])
    main(["train", *RUN])
    path = FOLDER / "checkpoint.pt"
    damage(path)
    for command in ("evaluate", "sample", "train"):
        assert main([command, *RUN]) == 2
        error = said(capsys)
        assert str(path) in error and "delete it" in error
    assert not (folder / "executed").exists(), "code in a checkpoint was executed"
    path.unlink()
    assert main(["train", *RUN]) == 0 and main(["evaluate", *RUN]) == 0


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    for place in range(middle, middle + 64):  # more than lie between two entries of the archive
        content[place] ^= 1
    path.write_bytes(bytes(content))


def test_a_gpu_that_is_asked_for_and_missing_is_named(folder, capsys, monkeypatch):
    toy(folder, device="cuda")
    main(["prepare", "toy.yaml"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["train", *RUN]) == 2
    assert "device: cuda was asked for" in said(capsys)


LIMITED = """
import resource, sys
import torch
from pixelcnn.cli import main
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits its own memory as Linux does")
def test_memory_that_runs_out_names_the_batch_size(folder):
    wide = {"channels": 192, "blocks": 1, "head_channels": 4}
    variants = {"base": {"model": "pixelcnn", "hyperparameters": wide}}
    toy(folder, variants=variants, training={"epochs": 1, "batch_size": 10_000})
    repeat = Path("toy_data.py").read_text(encoding="utf-8").replace('"train": 60', '"train": 10000')
    Path("toy_data.py").write_text(repeat, encoding="utf-8")
    main(["prepare", "toy.yaml"])
    command = [sys.executable, "-c", LIMITED, "train", *RUN]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )
    assert done.returncode == 1, done.stderr
    assert "the CPU is out of memory: lower training.batch_size, which is 10000" in done.stderr
    assert "Traceback" not in done.stderr
    record = RunFolder(FOLDER).attempt.record()
    assert record.status == "failed" and "out of memory" in record.error


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "the GPU is out of memory"),
        (MemoryError(), "the CPU is out of memory"),
    ],
)
def test_memory_of_a_gpu_that_runs_out_is_told_alike(error, where):
    with (
        pytest.raises(RunFailed, match=f"{where}: lower --batch-size"),
        devices.out_of_memory("lower --batch-size"),
    ):
        raise error
    with pytest.raises(RuntimeError, match="another"), devices.out_of_memory("lower --batch-size"):
        raise RuntimeError("another fault")
