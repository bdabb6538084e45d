"""A small benchmark killed from outside, and what is compared then: `benchmarks.chaos` at its smallest."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from support.toy import Hold, held_toy
from support.waiting import wait_for

from benchmarks import chaos
from pixelcnn.cli import main
from pixelcnn.results.folder import ResultsFolder, RunFolder


def finish_here(config, command):
    """As `chaos.finish`, in this process: a new one takes seconds to import torch."""
    name, *arguments = command
    started = time.monotonic()
    assert main([name, str(config), *arguments]) == 0
    return time.monotonic() - started


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """An undisturbed benchmark, small and with trainings that can be held, and how long its commands took."""
    place = tmp_path_factory.mktemp("reference")
    written = json.loads(held_toy(place).read_text(encoding="utf-8"))
    (variant,) = {word for command in chaos.COMMANDS for word in command[2:3]}
    changes = {
        "benchmark": "chaos",
        "datasets": {"toy": {"source": str(place / "toy_data.py"), "levels": 4}},
        "variants": {variant: {"model": str(place / "held.py")}},
        "sampling": {"images": 4, "completions": 1},
        "saving": {"epochs": 1},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chaos, "finish", finish_here)
        patch.setattr(chaos, "CONFIG", {**written, **changes})
        config = chaos.write_config(place, chaos.CONFIG)
        yield config, chaos.undisturbed(config)


@pytest.fixture
def mine(tmp_path, empty_database, reference, monkeypatch):
    """Where another such benchmark can be made; only what is killed there is a process of its own."""
    monkeypatch.chdir(tmp_path)
    results = ResultsFolder(tmp_path / "results")
    results.mlflow.mkdir(parents=True)
    shutil.copy(empty_database, results.database)
    return tmp_path


@pytest.mark.parametrize("number", chaos.SIGNALS, ids=lambda number: number.name)
def test_a_training_killed_from_outside_ends_the_same(mine, reference, number):
    wanted, config = chaos.run_folder(reference[0]), chaos.write_config(mine, chaos.CONFIG)
    chaos.finish(config, chaos.COMMANDS[0])
    run, hold = RunFolder(chaos.run_folder(config)), Hold(mine)
    process = chaos.start(config, chaos.COMMANDS[1])
    wait_for(lambda: hold.trainings() or process.poll() is not None)
    process.send_signal(number)
    hold.release()
    _, errors = process.communicate(timeout=60)
    left = run.attempt.record()
    if number is signal.SIGKILL:
        assert (process.returncode, left.status) == (-signal.SIGKILL, "running")
    else:
        assert process.returncode == 75 and "the same command resumes it" in errors
        assert left.status == "interrupted" and f"stopped by {number.name}" in left.error
    chaos.project(config)
    for command in chaos.COMMANDS[1:]:
        chaos.finish(config, command)
    chaos.project(config)
    assert (left.epochs, run.record().resumes) == (2, 1)
    assert chaos.differences(wanted, run.path) == chaos.tracked(config) == []


def test_a_benchmark_killed_at_a_random_moment_ends_the_same(mine, reference):
    config, seconds = reference
    kill = chaos.random_kill(seconds, random.Random(0))
    outcome = chaos.trial(mine, 0, kill, chaos.run_folder(config))
    assert outcome.differences == [], outcome.kill


def test_the_comparison_can_see_a_difference(tmp_path, reference):
    config, _ = reference
    wanted = chaos.run_folder(config)
    found = Path(shutil.copytree(wanted, tmp_path / "copy"))
    assert chaos.differences(wanted, found) == []
    history = [
        json.loads(line) for line in (found / "history.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    history[1]["valid_nll"] += 1e-12
    (found / "history.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in history), encoding="utf-8"
    )
    content = torch.load(found / "checkpoint.pt", weights_only=True)
    next(iter(content["weights"].values())).view(-1)[0] += 1e-3
    torch.save(content, found / "checkpoint.pt")
    RunFolder(found).attempt.path.mkdir()
    RunFolder(found).attempt.state("left").write_bytes(b"")
    told = " ".join(chaos.differences(wanted, found))
    assert "history" in told and "weights differ" in told and "state-left.pt was left" in told
