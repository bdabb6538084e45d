"""The saved state of a training: when there is one, which one serves, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from support.pixel_table import EVERY_EPOCH, spec, stop_at, train

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.results.folder import RunFolder
from pixelcnn.system import code_digest
from pixelcnn.system.errors import Interrupted, UserError
from pixelcnn.training import state


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
