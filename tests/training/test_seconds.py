"""What counts into the seconds and the speed of a training, and what does not."""

from __future__ import annotations

import signal

import pytest
from support.two_weights import Pair, fast, run

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.results.folder import RunFolder
from pixelcnn.system.errors import Interrupted

STEP, VALIDATION, PICTURE, SAVING = 150.0, 120.0, 7.0, 3.0


class Clock:
    """Stands for the module `time`: it goes on only when the work below is done."""

    def __init__(self) -> None:
        self.now, self.step = 1000.0, STEP

    def perf_counter(self) -> float:
        return self.now

    monotonic = perf_counter

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    """Steps, validations and saving the state take the seconds above."""
    from pixelcnn.training import clock as clocks
    from pixelcnn.training import state

    clock, save, forward = Clock(), state.save, Pair.forward

    def saving(*arguments):
        clock.pass_by(SAVING)
        save(*arguments)

    def passing(self, x, y=None):
        clock.pass_by(clock.step if self.training else VALIDATION)
        return forward(self, x, y)

    monkeypatch.setattr(clocks, "time", clock)
    monkeypatch.setattr(state, "time", clock)
    monkeypatch.setattr(state, "save", saving)
    monkeypatch.setattr(Pair, "forward", passing)
    return clock


@pytest.mark.parametrize(
    ("minutes", "times"),
    [
        (None, 1),  # at the end
        (4, 8),  # 240 s: after the second step of an epoch, and after its validation
        (0, 13),  # 2 % of the time, so 147 s between two: after each step and at the end
    ],
)
def test_speed_counts_the_steps_alone_and_wall_time_all_but_the_pictures(tmp_path, clock, minutes, times):
    def draw(epoch, model):
        clock.pass_by(PICTURE)
        clock.step = STEP + 10  # all epochs but the first are slower

    run(tmp_path, fast(epochs=4), saving=SavingSpec(minutes=minutes), pictures=draw)
    record, history = RunFolder(tmp_path).record(), RunFolder(tmp_path).history()
    assert [line["seconds"] for line in history] == [450, 450 + 480, 450 + 2 * 480, 450 + 3 * 480]
    assert [line["images_per_second"] for line in history] == pytest.approx([7 / 450] + [7 / 480] * 3)
    assert record.training_seconds == 450 + 3 * 480
    assert record.images_per_second == pytest.approx(28 / (450 + 3 * 480))
    assert record.saving_seconds == times * SAVING
    assert record.wall_seconds == 450 + 3 * 480 + 4 * VALIDATION + times * SAVING


def test_the_seconds_of_an_interrupted_training_add_up(tmp_path, clock):
    asked = iter([None] * 5 + [signal.SIGTERM])  # in the second epoch, after its second step
    spec, saving = fast(epochs=4), SavingSpec(minutes=None, epochs=1)
    with pytest.raises(Interrupted, match="SIGTERM after 1 of 4 epochs"):
        run(tmp_path, spec, saving=saving, signal=lambda: next(asked))
    clock.pass_by(1e6)
    run(tmp_path, spec, saving=saving)
    record, history = RunFolder(tmp_path).record(), RunFolder(tmp_path).history()
    assert [line["seconds"] for line in history] == [3 * STEP, 6 * STEP, 9 * STEP, 12 * STEP]
    assert record.images_per_second == pytest.approx(28 / (12 * STEP))
    assert record.saving_seconds >= 4 * SAVING, "those after epochs; the other could not count itself"
    assert record.wall_seconds - record.saving_seconds == 12 * STEP + 4 * VALIDATION
