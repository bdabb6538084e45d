"""What a config says of how its variants were tuned: every trial, so that it may be copied anywhere.

`tuning.writing` writes it and the report shows it. It decides no run: the values that were chosen stand in
the variants themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixelcnn.config.fields import at_least
from pixelcnn.config.tuning import MOST_TRIALS, check_key, check_seeds
from pixelcnn.system.errors import ConfigError


def tuned_name(benchmark: str) -> str:
    """What a benchmark is called once it was tuned."""
    return f"{benchmark}-tuned"


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """How a trial went."""

    number: int = at_least(0, maximum=MOST_TRIALS)
    """0: the config as it was written."""
    valid_nll: float | None
    """Nats per image: the best of each training, the mean over the seeds; null: it failed."""
    values: dict[str, Any]
    """Keys such as training.learning_rate -> value."""


@dataclass(frozen=True, kw_only=True)
class TunedVariant:
    """The trials of a variant, and which of them its recipe is from."""

    of: str
    """The benchmark that was tuned."""
    seeds: tuple[int, ...]
    """Of the trials' trainings."""
    earlier: int = at_least(0, 0)
    """How many trials led to the recipe of trial 0, if that was tuned, too."""
    share: float = at_least(1e-6, 1.0, 1, absent=1.0)
    """Of the budget of its recipe: what each trial trained for."""
    chosen: int
    """The number of a trial."""
    trials: tuple[TrialResult, ...]

    def __post_init__(self) -> None:
        check_seeds(self.seeds)
        if not self.trials:
            raise ConfigError("trials: needs at least one entry")
        numbers = [trial.number for trial in self.trials]
        if len(set(numbers)) != len(numbers):
            raise ConfigError(f"trials: each number may stand once, got {numbers}")
        for place, trial in enumerate(self.trials):
            for key in trial.values:
                check_key(key, f"trials[{place}].values")
            if trial.values.keys() != self.trials[0].values.keys():
                raise ConfigError(f"trials[{place}].values: other keys than those of trials[0]")
        if self.chosen not in numbers:
            raise ConfigError(f"chosen: no trial has the number {self.chosen}, but {numbers}")
        if not self.keys:
            raise ConfigError("trials[0].values: needs at least one entry")
        if self.choice.valid_nll is None:
            raise ConfigError(f"chosen: trial {self.chosen} failed, its valid_nll is null")

    @property
    def keys(self) -> list[str]:
        """What was tuned."""
        return list(self.trials[0].values)

    @property
    def choice(self) -> TrialResult:
        """The trial that was chosen."""
        return next(trial for trial in self.trials if trial.number == self.chosen)

    @property
    def as_written(self) -> TrialResult | None:
        """Trial 0, if it stands there."""
        return next((trial for trial in self.trials if trial.number == 0), None)


def check_tuned(tuned: Mapping[str, TunedVariant], variants: Sequence[str], seeds: tuple[int, ...]) -> None:
    """Refuse trials of what is no variant, and trials at seeds of the final runs.

    Raises:
        ConfigError: naming the variant or the seed.
    """
    for name, found in tuned.items():
        if name not in variants:
            raise ConfigError(f"tuned: {name!r} is not in the config, which has {', '.join(variants)}")
        if both := sorted({*found.seeds} & {*seeds}):
            raise ConfigError(
                f"tuned.{name}.seeds: {both[0]} is one of the seeds of the final runs, which would be "
                f"compared by what they were chosen for; give these others than {sorted(found.seeds)}"
            )
