"""A training that was interrupted, wherever that was, ends as if it had not been."""

from __future__ import annotations

import itertools
import os
import pickle
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small import MIRRORED, TRAINED, prepared, run_spec, small

from benchmarks import chaos
from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.data.contract import Split
from pixelcnn.models import registry
from pixelcnn.results.folder import RunFolder
from pixelcnn.system.errors import Interrupted, UserError
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training.loop import Observer, fit, image_spec

CPU = torch.device("cpu")
DATA = prepared()


def train(run_dir, spec, data=DATA, *, stop_at=None, saving=None, **observed):
    """A training that gets SIGTERM at the `stop_at`-th time it asks for a signal."""
    model, _ = registry.build_model(
        spec.variant, image_spec(data), seed=derived_seed(spec.seed, "initialisation")
    )
    calls = itertools.count(1)
    asked = {} if stop_at is None else {"signal": lambda: signal.SIGTERM if next(calls) >= stop_at else None}
    observer = Observer(**observed, **asked)
    return fit(model, data, spec, run_dir=run_dir, device=CPU, saving=saving, observer=observer)


def science(run_dir: Path) -> list:
    record = RunFolder(run_dir).record()
    lines = [{k: line[k] for k in chaos.HISTORY} for line in RunFolder(run_dir).history()]
    return [lines, [getattr(record, key) for key in chaos.RECORD]]


def assert_same(result, run_dir, wanted, wanted_dir):
    for kind in ("weights", "ema_weights"):
        a, b = getattr(result, kind), getattr(wanted, kind)
        assert all(torch.equal(a[key], b[key]) for key in b), kind
    assert result.epoch == wanted.epoch
    assert science(run_dir) == science(wanted_dir)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", TRAINED)
def test_every_architecture_goes_on_where_it_was_stopped(tmp_path, name, conditional):
    spec = run_spec(name, conditional=conditional, learning_rate=0.01)
    wanted = train(tmp_path / "whole", spec)
    # Each of three epochs asks for a signal 8 times, in 7 steps and a validation. Others: the test below.
    for stop_at in (8, 19):
        folder = tmp_path / str(stop_at)
        with pytest.raises(Interrupted, match="SIGTERM"):
            train(folder, spec, stop_at=stop_at)
        record = RunFolder(folder).record()
        assert record.status == "interrupted" and record.epochs == (stop_at - 1) // 8
        assert not (folder / "checkpoint.pt").exists()
        result = train(folder, spec)
        assert_same(result, folder, wanted, tmp_path / "whole")
        after = RunFolder(folder).record()
        assert (after.run_id, after.started, after.resumes) == (record.run_id, record.started, 1)
        assert after.changed == [] and after.error is None


@pytest.mark.parametrize(
    "kind", ["binarized and mirrored anew, in images", "dropout", "bfloat16", "patience"]
)
def test_a_training_stopped_at_every_step_ends_as_one_that_was_not(tmp_path, kind):
    data, recipe = DATA, {"learning_rate": 0.01}
    if kind == "binarized and mirrored anew, in images":
        recipe |= {"epochs": None, "images": 250, "validate_every": 37, **MIRRORED}
        grey = Split(np.random.default_rng(0).integers(0, 256, (100, 1, 6, 6), dtype=np.uint8))
        data = replace(prepared(labelled=False), train_is_intensity=True)
        data = replace(data, splits={**data.splits, "train": grey})
    if kind == "bfloat16":
        recipe["precision"] = "bfloat16"
    if kind == "patience":
        noise = Split(np.random.default_rng(0).integers(0, 2, (30, 1, 6, 6), dtype=np.uint8))
        data = prepared(40, labelled=False)
        data = replace(data, splits={**data.splits, "valid": noise})
        recipe |= {"epochs": 100, "patience": 2, "ema_decay": 0.5, "learning_rate": 0.03}
    spec = run_spec(**recipe)
    if kind == "dropout":
        spec = replace(spec, variant=small("gated", dropout=0.3))
    wanted = train(tmp_path / "whole", spec, data)
    assert kind != "patience" or RunFolder(tmp_path / "whole").record().epochs < 100
    stops, result = 0, None
    while result is None and stops < 100:
        try:
            result = train(tmp_path / "stopped", spec, data, stop_at=2)
        except Interrupted:
            stops += 1
    assert 5 <= stops < 100
    assert_same(result, tmp_path / "stopped", wanted, tmp_path / "whole")
    assert RunFolder(tmp_path / "stopped").record().resumes == stops


class Killed(BaseException):
    """Stands for a kill -9: nothing is saved after it."""


def kill_in(epoch):
    def on_epoch(line):
        if line["epoch"] == epoch:
            raise Killed

    return on_epoch


@pytest.mark.parametrize("saved", [True, False])
def test_what_was_done_after_the_last_saved_state_is_done_again(tmp_path, saved):
    spec = run_spec(epochs=4)
    wanted = train(tmp_path / "whole", spec)
    saving = SavingSpec(minutes=None, epochs=2 if saved else None)
    with pytest.raises(Killed):
        train(tmp_path / "run", spec, saving=saving, epoch=kill_in(3))
    run = RunFolder(tmp_path / "run")
    assert len(run.history()) == 3
    first, said, epochs = run.record().run_id, [], []
    result = train(tmp_path / "run", spec, say=said.append, epoch=lambda line: epochs.append(line["epoch"]))
    assert epochs == ([3, 4] if saved else [1, 2, 3, 4])
    assert ("resumes from its saved state, at epoch 3" in " ".join(said)) == saved
    assert_same(result, tmp_path / "run", wanted, tmp_path / "whole")
    assert (run.record().run_id == first, run.record().resumes) == (saved, saved), "from scratch is another"


def test_a_finished_training_whose_checkpoint_got_lost_has_nothing_to_do(tmp_path):
    spec = run_spec()
    wanted = train(tmp_path / "run", spec)
    before = science(tmp_path / "run")
    (tmp_path / "run" / "checkpoint.pt").unlink()
    result = train(tmp_path / "run", spec, step=lambda done, total: pytest.fail("it trains again"))
    assert all(torch.equal(result.weights[k], v) for k, v in wanted.weights.items())
    assert science(tmp_path / "run") == before and (tmp_path / "run" / "checkpoint.pt").exists()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def empty(path):
    path.write_bytes(b"")


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def malicious(path):
    path.write_bytes(pickle.dumps(Malicious(), protocol=2))


def malicious_zip(path):
    torch.save({"format": 1, "digest": Malicious()}, path)


def incomplete(path):
    torch.save({"format": 1}, path)


DAMAGES = [incomplete, truncate, flip, empty, malicious, malicious_zip]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("both", [False, True])
def test_a_damaged_state_is_set_aside_and_the_one_before_is_taken(tmp_path, monkeypatch, damage, both):
    monkeypatch.chdir(tmp_path)
    spec, run_dir = run_spec(epochs=4), tmp_path / "run"
    wanted = train(tmp_path / "whole", spec)
    with pytest.raises(Killed):
        train(run_dir, spec, saving=SavingSpec(minutes=None, epochs=1), epoch=kill_in(3))
    newest = run_dir / f"state-{spec.digest}.pt"
    previous = run_dir / f"state-{spec.digest}.previous.pt"
    for path in (newest, previous)[: 1 + both]:
        damage(path)
    said, epochs = [], []
    result = train(run_dir, spec, say=said.append, epoch=lambda line: epochs.append(line["epoch"]))
    assert epochs == ([1, 2, 3, 4] if both else [3, 4])
    assert f"{newest}: damaged state, set aside as {newest.name}.damaged" in said[0]
    assert (run_dir / f"{newest.name}.damaged").exists()
    assert not (tmp_path / "executed").exists(), "code in a state was executed"
    assert_same(result, run_dir, wanted, tmp_path / "whole")


def interrupted(run_dir, spec=None, data=DATA):
    spec = spec or run_spec()
    with pytest.raises(Interrupted):
        train(run_dir, spec, data, stop_at=10)
    return run_dir / f"state-{spec.digest}.pt"


def test_a_state_of_other_training_code_is_refused(tmp_path, monkeypatch):
    path = interrupted(tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr("pixelcnn.training.loop.code_digest", lambda model: "f" * 16)
    with pytest.raises(UserError, match=r"other training code .*commit.*--force"):
        train(tmp_path, run_spec())
    assert path.read_bytes() == before and RunFolder(tmp_path).record().status == "interrupted"


def test_a_state_of_other_data_is_refused(tmp_path):
    interrupted(tmp_path)
    with pytest.raises(UserError, match="SHA-256"):
        train(tmp_path, run_spec(), replace(DATA, sha256="1" * 64))


def test_a_state_of_another_spec_is_not_used_and_said_so(tmp_path):
    path = interrupted(tmp_path)
    said, epochs = [], []
    other = run_spec(learning_rate=0.03)
    train(tmp_path, other, say=said.append, epoch=lambda line: epochs.append(line["epoch"]))
    assert epochs == [1, 2, 3] and f"{path}: not used" in said[0] and path.exists()
    shutil.copy(path, tmp_path / f"state-{run_spec(seed=5).digest}.pt")
    with pytest.raises(UserError, match="spec with digest"):
        train(tmp_path, run_spec(seed=5))


def test_what_is_different_when_a_training_goes_on_is_noted(tmp_path, monkeypatch):
    interrupted(tmp_path)
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    train(tmp_path, run_spec())
    assert RunFolder(tmp_path).record().changed == [f"threads: {threads}, then {threads + 1}"]


@pytest.mark.parametrize(("killed", "more"), [(2, 0), (2, 1), (3, 0), (3, 1)])
def test_epochs_that_may_come_out_otherwise_the_second_time_are_another_runs(
    tmp_path, monkeypatch, killed, more
):
    """The state is that after the second epoch; what MLflow was shown, it does not forget."""
    with pytest.raises(Killed):
        saving = SavingSpec(minutes=None, epochs=1 if killed == 2 else 2)
        train(tmp_path, run_spec(epochs=4), saving=saving, epoch=kill_in(killed))
    before, threads, epochs = RunFolder(tmp_path).record(), torch.get_num_threads(), []
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + more)
    train(tmp_path, run_spec(epochs=4), epoch=lambda line: epochs.append(line["epoch"]))
    after = RunFolder(tmp_path).record()
    again = epochs[0] <= killed
    assert (after.run_id != before.run_id) == (again and more > 0)
    assert (after.resumes, after.started, len(after.changed)) == (1, before.started, more)
