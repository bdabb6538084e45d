"""What a training tells, and asks, while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pixelcnn.models.base import AutoregressiveModel


@dataclass(frozen=True)
class Observer:
    """What `fit` tells, and asks, while it works.

    epoch: called with the history line of each validation: after an epoch, unless the recipe says otherwise.
    step: called with (finished steps, all steps) of those from one validation to the next.
    say: called with a sentence, such as on a damaged state.
    begin: called with the model on its device before the first step, also of a training that resumes; what it
        raises fails the run. It must leave the model and torch's generators as they are.
    signal: the signal that asked to stop, None while there was none; asked at every step.
    pictures: called after validations 1, 2, 4, 8, ... and the last, whose records are written by then, with
        the epoch (or the images, see `TrainingSpec.counted_in`) and the EMA model, which it must leave as it
        is. A training that resumes from such a validation calls it again. Its time counts nowhere.
    """

    epoch: Callable[[dict[str, Any]], None] = lambda line: None
    step: Callable[[int, int], None] = lambda done, total: None
    say: Callable[[str], None] = lambda sentence: None
    signal: Callable[[], int | None] = lambda: None
    pictures: Callable[[int, AutoregressiveModel], None] = lambda number, model: None
    begin: Callable[[AutoregressiveModel], None] = lambda model: None
