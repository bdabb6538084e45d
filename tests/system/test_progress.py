"""What long work prints in a log, where nobody sees a bar."""

from __future__ import annotations

import io
from collections.abc import Callable

from pixelcnn.system.progress import SILENCE, TrainingProgress


def line(images: int) -> dict[str, float]:
    return {"epoch": 0.5, "images": images, "train_nll": 90.0, "valid_nll": 85.5, "images_per_second": 100.0}


def progress(clock: Callable[[], float], stream: io.StringIO) -> TrainingProgress:
    return TrainingProgress("digits/plain/seed0", None, 100_000, stream=stream, clock=clock)


def test_a_log_has_a_line_a_minute_between_validations_and_none_while_they_come_faster() -> None:
    now, stream = 0.0, io.StringIO()
    told = progress(lambda: now, stream)
    for step in range(1, 301):  # one a second
        now += 1
        told.on_step(step, 300)
    told.on_validation(line(50_000))
    for step in range(1, 31):
        now += 1
        told.on_step(step, 300)
    place = "digits/plain/seed0 0/100,000 images"
    minutes = [f"{place}  {60 * m} of 300 steps to the next validation" for m in range(1, 6)]
    assert SILENCE == 60 and stream.getvalue().splitlines() == [
        *minutes,
        "digits/plain/seed0 50,000/100,000 images  train 90.00  valid 85.50 nats/image  100 images/s",
    ]
    now += 30
    told.on_step(61, 300)
    assert stream.getvalue().splitlines()[-1] == (
        "digits/plain/seed0 50,000/100,000 images  61 of 300 steps to the next validation"
    )


def test_what_was_interrupted_goes_on_at_its_last_validation() -> None:
    now, stream = 0.0, io.StringIO()
    told = progress(lambda: now, stream)
    told.history = lambda: [line(25_000), line(50_000)]
    now = SILENCE
    told.on_step(61, 300)
    assert stream.getvalue().startswith("digits/plain/seed0 50,000/100,000 images  61 of 300 steps")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_and_no_such_lines() -> None:
    now, stream = 0.0, Terminal()
    told = progress(lambda: now, stream)
    for step in range(1, 5):
        now += SILENCE
        told.on_step(step, 4)
    assert "\n" not in stream.getvalue() and stream.getvalue().endswith("[########################] 4/4")
