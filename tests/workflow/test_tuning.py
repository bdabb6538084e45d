"""A tuning through the real Snakemake: `snakemake tune`, again, and beside other targets."""

from __future__ import annotations

import os
import sys

import pytest
from support.snakemake import snakemake
from support.toy import SMALL, toy

from pixelcnn.config.reading import load_benchmark
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.scheduling import gpus

pytestmark = pytest.mark.slow

#: The second trial diverges.
DIVERGES = {"epochs": 2, "batch_size": 16, "warmup_steps": 0, "gradient_clip": 1e30}
SPACE = {"training.learning_rate": {"low": 1e24, "high": 1e25}}


def write(folder):
    toy(
        folder,
        variants={
            "base": {"model": "pixelcnn", "hyperparameters": SMALL},
            "independent": {"model": "independent"},
        },
        training=DIVERGES,
        tuning={"trials": 2, "seeds": [1000], "space": SPACE, "variants": ["base"]},
        tracking={"enabled": False},
    )


def test_a_tuning_trains_its_trials_and_nothing_else_and_is_done_once(tmp_path):
    write(tmp_path)
    done = snakemake(tmp_path, "tune")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = BenchmarkFolder(tmp_path / "results" / "toy-tuning")
    assert f"--configfile {folder.tuned.relative_to(tmp_path)}" in done.stdout + done.stderr
    trials = {name: folder.run("toy", name, 1000).trial() for name in ("base.t00", "base.t01")}
    assert [trial.status for trial in trials.values()] == ["finished", "failed"]
    assert "NaN or infinite" in trials["base.t01"].error
    assert "base" in folder.log("tune").read_text(encoding="utf-8")
    if sys.platform == "linux" and not gpus.here(load_benchmark(tmp_path / "toy.yaml"), os.environ):
        assert folder.log("fork_server").read_text(encoding="utf-8") == "", "it took every job that asked"
    names = {path.name for path in tmp_path.rglob("*")}
    assert {"metrics.json", "samples.npz", "analysis.json", "index.html"}.isdisjoint(names), "no test image"
    assert not [name for name in names if name.startswith("state-")], "nothing to be resumed"
    tuned = load_benchmark(folder.tuned)
    assert list(tuned.variants) == ["base", "independent"] and list(tuned.tuned) == ["base"]
    assert (tuned.benchmark, tuned.variants["base"].training) == ("toy-tuned", {}), (
        "as written: it did not fail"
    )

    again = snakemake(tmp_path, "tune")
    assert "Nothing to be done" in again.stdout + again.stderr and again.returncode == 0
    beside = snakemake(tmp_path, "tune", "report", "-n")
    assert beside.returncode != 0
    assert "report: not together with tune" in beside.stdout + beside.stderr
