"""What ends a training before its time: what it says, word for word, and what its record says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.pixel_table import DATA, spec, stop_at, train
from support.small import prepared

from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import Record
from pixelcnn.system.errors import Interrupted, RunFailed


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
