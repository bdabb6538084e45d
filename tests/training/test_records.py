"""What a training leaves in its folder."""

from __future__ import annotations

import os

import pytest
import torch
from support.pixel_table import CPU, EVERY_EPOCH, spec, stop_at, train

from pixelcnn.models.base import ImageSpec
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import Record
from pixelcnn.system import code_digest, devices, provenance
from pixelcnn.system.errors import Interrupted


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


def test_a_training_that_goes_on_draws_what_a_kill_prevented_and_forgets_what_it_does_again(tmp_path):
    asked = spec(epochs=4)
    drawn: list[int] = []

    class Killed(BaseException):
        pass

    def killed_at_the_end(epoch, model):
        if epoch == 4:
            raise Killed
        assert not model.training
        drawn.append(epoch)

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for epoch in (2, 5):
        (pictures / f"epoch{epoch:05d}.png").touch()
    with pytest.raises(Killed):
        train(tmp_path, asked, pictures=killed_at_the_end)
    assert drawn == [1, 2] and not list(pictures.iterdir()), "those of an earlier training are gone"
    for epoch in (2, 5):
        (pictures / f"epoch{epoch:05d}.png").touch()
    train(tmp_path, asked, pictures=lambda epoch, model: drawn.append(epoch))
    assert drawn == [1, 2, 4] and [path.name for path in pictures.iterdir()] == ["epoch00002.png"]


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
