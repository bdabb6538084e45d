"""Several seeds trained at once: each has what it would have alone, and its own end."""

from __future__ import annotations

import itertools
import signal
import time

import pytest
import torch
from support.small import MIRRORED, prepared, run_spec

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.models.registry import build_model
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.system.errors import Interrupted, RunFailed
from pixelcnn.training.driving import alone, together
from pixelcnn.training.loop import image_spec, training_loop
from pixelcnn.training.observer import Observer
from pixelcnn.training.stacked import StackedStep

CPU, SEEDS = torch.device("cpu"), 3
DATA = prepared(40, size=4)
HISTORY = ("epoch", "images", "step", "train_nll", "valid_nll", "learning_rate", "gradient_norm")


def asking(stop, raised=None):
    """What stops a training the `stop`-th time it asks, by a signal or by an error; None: not at all."""
    calls = itertools.count(1)

    def asked():
        if stop is None or next(calls) < stop:
            return None
        if raised is not None:
            raise raised
        return signal.SIGTERM

    return asked


def loops(folder, *, failing=(), stopped_at=(None,) * SEEDS, raised=None):
    """Trainings of several seeds, two epochs of three steps, each in a folder of its own.

    The weights of those that are `failing` are NaN; `stopped_at` says for each when it is asked to stop.
    """
    for seed in range(SEEDS):
        recipe = {"epochs": 2, "optimizer": "muon", "learning_rate": 0.01, **MIRRORED}
        spec = run_spec("gated", conditional=True, seed=seed, **recipe)
        model, _ = build_model(spec.variant, image_spec(DATA), seed=seed)
        if seed in failing:
            with torch.no_grad():
                next(model.parameters()).fill_(torch.nan)
        yield training_loop(
            model, DATA, spec,
            run_dir=folder / str(seed), device=CPU, saving=SavingSpec(minutes=None),
            observer=Observer(signal=asking(stopped_at[seed], raised)),
        )  # fmt: skip


def train(folder, **how):
    return together(list(loops(folder, **how)), CPU)


@pytest.fixture(scope="module")
def separate(tmp_path_factory):
    """The same runs, each trained alone."""
    folder = tmp_path_factory.mktemp("alone")
    for loop in loops(folder):
        alone(loop, CPU)
    return folder


def assert_same(folder, other, seeds=range(SEEDS)):
    for seed in seeds:
        ours, theirs = (RunFolder(place / str(seed)) for place in (folder, other))
        lines = [[[line[key] for key in HISTORY] for line in run.history()] for run in (ours, theirs)]
        torch.testing.assert_close(*map(torch.tensor, lines), rtol=1e-4, atol=1e-5)
        for key in ("status", "digest", "code", "epochs", "best_epoch", "images_seen", "precision"):
            assert getattr(ours.record(), key) == getattr(theirs.record(), key), key
        missing = {path.name for path in theirs.path.iterdir()} - {path.name for path in ours.path.iterdir()}
        assert not missing


def test_each_has_the_records_that_it_has_alone(tmp_path, separate):
    started = time.perf_counter()
    outcomes = train(tmp_path)
    seconds = time.perf_counter() - started
    assert [outcome.spec.seed for outcome in outcomes] == [0, 1, 2]
    assert_same(tmp_path, separate)
    records = [RunFolder(tmp_path / str(seed)).record() for seed in range(SEEDS)]
    assert 0 < sum(record.wall_seconds for record in records) < seconds, "shared out"
    assert all(0 < record.training_seconds < record.wall_seconds for record in records)


def test_one_that_fails_ends_alone(tmp_path, separate):
    failed, *others = train(tmp_path, failing=[0])
    assert isinstance(failed, RunFailed) and "NaN or infinite" in str(failed)
    assert RunFolder(tmp_path / "0").record().status == "failed"
    assert all(isinstance(outcome, Checkpoint) for outcome in others)
    assert_same(tmp_path, separate, [1, 2])


def test_what_was_stopped_goes_on_and_those_behind_catch_up(tmp_path, separate, monkeypatch):
    assert all(isinstance(found, Interrupted) for found in train(tmp_path, stopped_at=(6, 6, 2)))
    sizes, step = [], StackedStep.__call__

    def counted(self, x, y):
        sizes.append(len(x))
        return step(self, x, y)

    monkeypatch.setattr(StackedStep, "__call__", counted)
    assert all(isinstance(found, Checkpoint) for found in train(tmp_path))
    # Of six steps two had taken five (they are asked in a validation, too), one had taken two.
    assert sizes == [1, 1, 1, 3]
    assert_same(tmp_path, separate)
    assert [RunFolder(tmp_path / str(seed)).record().resumes for seed in range(SEEDS)] == [1] * SEEDS


def test_what_fails_a_step_fails_all_that_took_it(tmp_path, monkeypatch):
    def broken(self, x, y):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(StackedStep, "__call__", broken)
    for seed, outcome in enumerate(train(tmp_path)):
        assert isinstance(outcome, RunFailed) and "jobs.seeds_per_job" in str(outcome)
        assert RunFolder(tmp_path / str(seed)).record().status == "failed"


def test_what_ends_the_process_ends_all_and_each_records_it(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, stopped_at=(None, 2, None), raised=KeyboardInterrupt())
    records = [RunFolder(tmp_path / str(seed)).record() for seed in range(SEEDS)]
    assert [record.status for record in records] == ["interrupted"] * SEEDS
