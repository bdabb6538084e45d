"""What a training leaves in its folder and says, word for word; and the rules for its saved state."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small import prepared, run_spec

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.data.contract import Split
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import Record
from pixelcnn.system import code_digest, devices, provenance
from pixelcnn.system.errors import Interrupted, RunFailed, UserError
from pixelcnn.training import state
from pixelcnn.training.batches import Batches
from pixelcnn.training.loop import Observer, fit

CPU = torch.device("cpu")
DATA = replace(prepared(20), sha256="a1" * 32)
EVERY_EPOCH = SavingSpec(minutes=None, epochs=1)


def spec(**training):
    return run_spec("independent", **{"epochs": 2, "batch_size": 8, "precision": "float32"} | training)


def train(run_dir, asked=None, data=DATA, *, model=None, saving=None, **observed):
    asked = asked or spec()
    built, likelihood = registry.build_model(
        asked.variant, ImageSpec(*data.shape, levels=data.levels, classes=data.classes)
    )
    observer = Observer(**observed)
    return fit(
        model or built, likelihood, data, asked, run_dir=run_dir, device=CPU, saving=saving, observer=observer
    )


def stop_at(call):
    """A signal that comes at the `call`-th time that a training asks for one."""
    asked = iter([None] * (call - 1) + [signal.SIGTERM])
    return lambda: next(asked)


# ------------------------------------------------------------------------------ records


def test_a_record_without_a_commit_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "commit_or_why", lambda: (None, "git cannot be run"))
    train(tmp_path)
    record = RunFolder(tmp_path).record()
    assert (record.commit, record.no_commit) == (None, "git cannot be run")


def test_a_folder_in_a_folder_that_is_not_there_gets_the_whole_record(tmp_path):
    run_dir = tmp_path / "not" / "there"
    result, asked = train(run_dir), spec()
    record = RunFolder(run_dir).record()
    assert record.device == devices.device_name(CPU) and record.threads == torch.get_num_threads()
    assert record.versions == provenance.versions() and record.commit == provenance.commit()
    assert record.code == code_digest.code_digest("independent")
    assert (record.precision, record.parameters) == ("float32", 36)
    assert (record.status, record.resumes, record.changed) == ("finished", 0, [])
    assert RunFolder(run_dir).spec() == asked
    kept = checkpoint.load(run_dir / "checkpoint.pt")
    assert kept.spec == result.spec == asked and kept.epoch == result.epoch
    assert kept.image == result.image == ImageSpec(1, 6, 6, 2, 2)
    assert kept.data_sha256 == result.data_sha256 == "a1" * 32
    for name in ("weights", "ema_weights"):
        for key, value in getattr(kept, name).items():
            assert torch.equal(value, getattr(result, name)[key]) and value.is_contiguous()


def test_what_was_made_from_an_earlier_training_is_void_from_the_first_step_on(tmp_path):
    results = [path.name for path in RunFolder(tmp_path).results]
    assert {"checkpoint.pt", "metrics.json", "samples.npz", "analysis.json"} < set(results)
    for name in results:
        (tmp_path / name).write_text("old", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("kept", encoding="utf-8")
    left = []

    def look(done, total):
        left.extend(path.name for path in tmp_path.iterdir())

    train(tmp_path, spec(epochs=1), step=look)
    assert not set(left) & set(results) and "notes.txt" in left


def test_a_training_that_goes_on_keeps_the_pictures_of_its_history_alone(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, saving=EVERY_EPOCH, signal=stop_at(5))  # after the validation of the first epoch
    for epoch in (1, 2, 4):
        picture = RunFolder(tmp_path).picture(epoch)
        picture.parent.mkdir(exist_ok=True)
        picture.write_text("", encoding="utf-8")
    (tmp_path / "pictures" / "notes.txt").write_text("", encoding="utf-8")
    left = []
    train(tmp_path, step=lambda *at: left.append(sorted(os.listdir(tmp_path / "pictures"))))
    assert left[0] == ["epoch00001.png", "notes.txt"]


@pytest.mark.parametrize(
    "kind", ["finished", "interrupted", "running", "other code", "other spec", "damaged", "unreadable"]
)
def test_a_training_that_starts_from_scratch_is_another_run_and_resumes_nothing(tmp_path, kind):
    asked, code = spec(), code_digest.code_digest("independent")
    other = spec(epochs=9) if kind == "other spec" else asked
    record = Record.new(
        other, commit=None, versions={}, device="", threads=1, precision="", parameters=1,
        code="other" if kind == "other code" else code,
    )  # fmt: skip
    record.started, record.resumes = "then", 2
    if kind != "running":
        record.end("finished" if kind == "finished" else "interrupted")
    record.write(RunFolder(tmp_path).record_file)
    if kind == "damaged":
        (tmp_path / "record.json").write_text("{", encoding="utf-8")
    if kind == "unreadable":
        (tmp_path / "record.json").write_text('{"unknown": 1}', encoding="utf-8")
    train(tmp_path, asked)
    found = RunFolder(tmp_path).record()
    assert found.run_id != record.run_id and found.started != "then"
    assert (found.epochs, found.resumes, found.changed) == (2, 0, [])


# ------------------------------------------------------------------------------ how a training ends


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("a word"), "failed", "ValueError: a word"),
        (ValueError(), "failed", "ValueError"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (SystemExit(3), "interrupted", "SystemExit: 3"),
        (Interrupted("by hand"), "interrupted", "by hand"),
    ],
)
@pytest.mark.parametrize("full", [False, True])
def test_what_ends_a_training_is_in_its_record_and_goes_on(
    tmp_path, monkeypatch, error, status, reason, full
):
    def end(line):
        if full:

            def write(self, run_dir):
                raise OSError("no space left")

            monkeypatch.setattr(Record, "write", write)
        raise error

    with pytest.raises(type(error)) as raised:
        train(tmp_path, epoch=end)
    assert raised.value is error
    record = RunFolder(tmp_path).record()
    if full:
        assert (record.status, record.error) == ("running", None), "a full disk takes no record"
    else:
        assert (record.status, record.error) == (status, reason) and record.ended


def test_memory_that_runs_out_names_the_batch_size(tmp_path):
    def step(done, total):
        raise MemoryError("of the test")

    with pytest.raises(RunFailed) as raised:
        train(tmp_path, step=step)
    said = "the CPU is out of memory: lower training.batch_size, which is 8 (of the test)"
    assert str(raised.value) == said
    assert RunFolder(tmp_path).record().error == f"RunFailed: {said}"


def test_a_signal_ends_a_training_by_its_name(tmp_path):
    with pytest.raises(Interrupted) as raised:
        train(tmp_path, signal=stop_at(6))
    assert str(raised.value) == "stopped by SIGTERM after 1 of 2 epochs"
    assert RunFolder(tmp_path).record().error == str(raised.value)


def test_the_loss_is_looked_at_every_25_steps_and_at_the_end_of_an_epoch(tmp_path):
    told = []
    data = replace(DATA, splits={**DATA.splits, "train": prepared(60).splits["train"]})
    train(tmp_path, spec(epochs=1, batch_size=1), data, step=lambda *at: told.append(at))
    assert told == [(25, 60), (50, 60), (60, 60)]


@pytest.mark.parametrize(("bad", "found"), [(26, 50), (51, 60), (3, 25)])
def test_a_loss_that_is_not_finite_ends_the_training_at_the_next_look(tmp_path, bad, found):
    data = replace(DATA, splits={**DATA.splits, "train": prepared(60).splits["train"]})
    asked = spec(epochs=1, batch_size=1)
    model, _ = registry.build_model(asked.variant, ImageSpec(1, 6, 6, 2, 2))
    asked_for = iter(range(1, 100))

    def spoil():
        if next(asked_for) == bad - 1:
            with torch.no_grad():
                model.network.weight.fill_(torch.nan)

    with pytest.raises(RunFailed) as raised:
        train(tmp_path, asked, data, model=model, signal=spoil)
    assert str(raised.value) == (
        f"the loss or its gradient became NaN or infinite in epoch 1, by step {found} of 60; "
        "a lower learning_rate or longer warm-up may help"
    )


# ------------------------------------------------------------------------------ the saved state


@pytest.mark.parametrize(
    ("call", "at"), [(2, "epoch 1, step 2 of 3"), (4, "epoch 1, step 3 of 3"), (5, "epoch 2, step 1 of 3")]
)
def test_a_training_says_where_it_goes_on(tmp_path, call, at):
    with pytest.raises(Interrupted):
        train(tmp_path, signal=stop_at(call))
    said = []
    train(tmp_path, say=said.append)
    assert said == [f"stripes/independent/seed0: resumes from its saved state, at {at}"]
    said.clear()
    train(tmp_path, say=said.append)
    assert said == ["stripes/independent/seed0: resumes from its saved state, at its end"]


def saved(run_dir):
    """An interrupted training's state: its path and content."""
    with pytest.raises(Interrupted):
        train(run_dir, signal=stop_at(2))
    path = RunFolder(run_dir).state(spec().digest)
    return path, torch.load(path, weights_only=True)


def resaved(path, content):
    torch.save(content, path)
    said = []
    with pytest.raises(UserError) as raised:
        train(path.parent, say=said.append)
    assert path.exists() and said == []
    start, _, anew = str(raised.value).rpartition("; ")
    assert anew == f"remove {path.parent}/state-*.pt to retrain (`pixelcnn train --force` does)"
    return start.removeprefix(f"{path}: ")


def test_a_state_that_does_not_belong_here_is_refused_and_says_why(tmp_path):
    path, content = saved(tmp_path)
    assert resaved(path, {**content, "format": 2}) == "a state of format 2, expected 1"
    assert resaved(path, {**content, "digest": "other"}) == "the state of a spec with digest other"
    found = resaved(path, {**content, "data_sha256": "b2" * 32})
    assert found == ("was trained on data with SHA-256 b2b2b2b2b2b2, the prepared data has a1a1a1a1a1a1")
    code = code_digest.code_digest("independent")
    commit = content["record"]["commit"]
    torch.save({**content, "code": "other"}, path)
    with pytest.raises(UserError) as raised:
        train(tmp_path)
    assert str(raised.value) == (
        f"{path}: was saved by other training code (digest other, commit {commit}; it is now {code}); "
        f"go back to that code to resume, or remove {tmp_path}/state-*.pt to retrain "
        "(`pixelcnn train --force` does)"
    )


@pytest.mark.parametrize("content", [{"no": "format"}, ["format"]])
def test_a_file_that_is_no_state_is_set_aside(tmp_path, content):
    path, _ = saved(tmp_path)
    torch.save(content, path)
    said = []
    train(tmp_path, say=said.append)
    assert said == [f"{path}: damaged state, set aside as {path.name}.damaged (it is not a training state)"]


def test_damage_that_has_no_words_is_named_by_its_kind(tmp_path, monkeypatch):
    path, _ = saved(tmp_path)

    def unread(path):
        raise EOFError

    monkeypatch.setattr(state, "read_tensors", unread)
    said = []
    train(tmp_path, say=said.append)
    assert said == [f"{path}: damaged state, set aside as {path.name}.damaged (EOFError)"]


def test_a_kill_between_the_two_renames_leaves_the_previous_state_which_serves_as_well(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, saving=EVERY_EPOCH, signal=stop_at(6))
    RunFolder(tmp_path).state(spec().digest).unlink()  # saved by the signal; the previous one after epoch 1
    said, told = [], []
    train(tmp_path, say=said.append, epoch=lambda line: told.append(line["epoch"]))
    assert said == ["stripes/independent/seed0: resumes from its saved state, at epoch 2, step 0 of 3"]
    assert told == [2]


def test_states_of_other_specs_are_named_in_order_and_left(tmp_path):
    paths = [tmp_path / f"state-{name}.pt" for name in ("b", "a")]
    for path in paths:
        path.write_text("", encoding="utf-8")
    said = []
    train(tmp_path, say=said.append)
    mine = spec().digest
    assert said == [
        f"{path}: not used, it is the state of another config (this one has the digest {mine})"
        for path in reversed(paths)
    ]
    assert all(path.read_text(encoding="utf-8") == "" for path in paths)


def test_a_state_is_plain_and_the_one_before_stays(tmp_path):
    path = RunFolder(tmp_path).state("d")
    for number in (1, 2, 3):
        state.save({"number": number}, path)
    before = path.with_name("state-d.previous.pt")
    assert sorted(os.listdir(tmp_path)) == [before.name, path.name] == ["state-d.previous.pt", "state-d.pt"]
    assert torch.load(path, weights_only=True) == {"format": 1, "number": 3}
    assert torch.load(before, weights_only=True) == {"format": 1, "number": 2}


def test_all_states_of_a_run_are_discarded_and_nothing_else(tmp_path):
    for name in ("state-a.pt", "state-a.previous.pt", "state-b.pt.damaged", "state.txt", "checkpoint.pt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    state.discard(tmp_path)
    state.discard(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.pt", "state.txt"]


def test_a_state_that_another_process_removes_first_is_removed(tmp_path, monkeypatch):
    (tmp_path / "state-a.pt").write_text("", encoding="utf-8")
    genuine = Path.glob

    def too_late(self, pattern):
        for path in genuine(self, pattern):
            path.unlink()
            yield path

    monkeypatch.setattr(Path, "glob", too_late)
    state.discard(tmp_path)
    assert not tmp_path.exists()


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        (SavingSpec(minutes=None, epochs=None), []),
        (SavingSpec(minutes=None, epochs=1), [1, 2, 3, 4, 5, 6]),
        (SavingSpec(minutes=None, epochs=3), [3, 6]),
    ],
)
def test_after_which_epochs_a_state_is_saved(tmp_path, asked, due):
    saver = state.Saver(tmp_path / "state-d.pt", asked)
    assert [epoch for epoch in range(1, 7) if saver.due_after(epoch - 1, epoch)] == due


# ------------------------------------------------------------------------------ batches


@pytest.mark.parametrize("conditional", [False, True])
def test_batches_that_are_done_are_left_out_and_the_rest_is_the_same(conditional):
    grey = np.random.default_rng(0).integers(0, 256, (10, 1, 6, 6), dtype=np.uint8)
    data = replace(
        DATA, splits={**DATA.splits, "train": Split(grey, np.arange(10) % 2)}, train_is_intensity=True
    )
    asked = run_spec(conditional=conditional, batch_size=4)
    first, second = Batches(data, asked, CPU), Batches(data, asked, CPU)
    for done in (1, 2, 3, 0):
        whole, rest = list(first.epoch()), list(second.epoch(done))
        assert len(whole) == 3 and len(rest) == 3 - done
        for (x, y), (a, b) in zip(whole[done:], rest, strict=True):
            assert torch.equal(x, a) and x.dtype == torch.int64
            assert (y is None and b is None) if not conditional else torch.equal(y, b)
