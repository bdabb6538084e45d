"""What a config says of tuning: how many trials, over which values, judged at which seeds."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Any, Literal

from pixelcnn.config.fields import at_least, internal
from pixelcnn.config.matching import Match
from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.system.errors import ConfigError

#: Where the keys of a space stand: in the recipe, or among the hyper-parameters of a variant.
PLACES = ("training", "hyperparameters")
#: Of each variant, at most: their numbers stand in the names of folders.
MOST_TRIALS = 1000


@dataclass(frozen=True)
class Dimension:
    """The values of one key: a range from `low` to `high`, or a list of `choices`."""

    low: float | None = None
    high: float | None = None
    scale: Literal["linear", "log"] = "linear"
    """Log: as many trials between 0.001 and 0.01 as between 0.01 and 0.1."""
    choices: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        if self.choices is not None:
            if (self.low, self.high) != (None, None):
                raise ConfigError("choices: either these or low and high, got both")
            if not self.choices:
                raise ConfigError("choices: needs at least one entry")
        elif self.low is None or self.high is None:
            raise ConfigError(f"{'low' if self.low is None else 'high'}: missing; or give choices")
        elif self.low >= self.high:
            raise ConfigError(f"low: must be below high, got {self.low:g} and {self.high:g}")
        elif self.scale == "log" and self.low <= 0:
            raise ConfigError(f"low: must be above 0 with scale: log, got {self.low:g}")


@dataclass(frozen=True)
class Trial:
    """One trial of a variant: the values of the space's keys that the variant has."""

    variant: str
    number: int
    values: dict[str, Any]
    match: Match | None = internal(None)  # noqa: RUF009  # a field
    """The width found for these values, where the variant has `match_parameters`."""

    @property
    def name(self) -> str:
        """That of its variant in the benchmark of the trials."""
        return f"{self.variant}.t{self.number:02d}"


@dataclass(frozen=True)
class TuningSpec:
    """Equal tuning: as many trials for every variant, at the same points of the same space.

    Trial 0 is the config as it is written; the others are the first points of one scrambled Sobol sequence.
    They are judged by the validation NLL alone.
    """

    space: dict[str, Dimension]
    """Keys such as training.learning_rate and hyperparameters.channels -> {low, high, scale} or {choices}."""
    seeds: tuple[int, ...]
    """Of the trials' trainings; none of those that the final runs have."""
    trials: int = at_least(2, 8, MOST_TRIALS)
    """Of each variant; the first one is the config as it is written."""
    share: float = at_least(1e-6, 1.0, 1, absent=1.0)
    """Of each recipe's budget and warm-up: what a trial trains for. The chosen config has the whole."""
    variants: tuple[str, ...] | None = None
    """Which are tuned; null: all. A variant is tuned over those keys of the space that it has."""
    planned: tuple[Trial, ...] = internal(())
    """Of a resolved one: every trial, variant by variant."""

    def __post_init__(self) -> None:
        if not self.space:
            raise ConfigError("space: needs at least one entry")
        check_seeds(self.seeds)
        for key in self.space:
            check_key(key, "space")


def split(key: str) -> tuple[str, str]:
    """The place of a key of the space, and its name there."""
    place, _, name = key.partition(".")
    return place, name


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Refuse seeds that trials cannot have.

    Raises:
        ConfigError: saying which.
    """
    if not seeds:
        raise ConfigError("seeds: needs at least one entry")
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ConfigError(f"seeds: each may stand once, and must be 0 or more, got {list(seeds)}")


def check_key(key: str, where: str) -> None:
    """Refuse a key that is no key of the recipe, nor can be a hyper-parameter; it stands at `where`.

    Raises:
        ConfigError: naming it.
    """
    place, name = split(key)
    if place not in PLACES or not name:
        raise ConfigError(
            f"{where}.{key}: expected training.KEY or hyperparameters.KEY, such as training.learning_rate"
        )
    known = [f.name for f in dataclasses.fields(TrainingSpec) if f.init and "internal" not in f.metadata]
    if place == "training" and name not in known:
        raise ConfigError(f"{where}.{key}: unknown key{did_you_mean(name, known)}")


def did_you_mean(name: str, known: list[str]) -> str:
    """A hint for the end of a message."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint} (expected one of: {', '.join(known)})"
