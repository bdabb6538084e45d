"""Scaling the width of an architecture to a number of parameters: `match_parameters` of a variant.

Networks are sketched on torch's meta device, as shapes without numbers: so a count takes milliseconds and no
memory, however large the network is.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import typing
from collections.abc import Iterator

import torch

from pixelcnn.config.matching import Match
from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.models import registry
from pixelcnn.models.base import WIDEST, ImageSpec
from pixelcnn.system import plugins
from pixelcnn.system.errors import ConfigError, UserError

#: How far the nearest number of parameters may be from what is asked for, as a share of it.
FAR = 0.1
#: Widths beside a guess that are looked at for one that the architecture takes, at most.
MOST_REFUSED = 1000


class NoMatch(ConfigError):
    """No width makes about as many parameters as are asked for."""


class NoSketch(NoMatch):
    """A network cannot be built without numbers, at whatever width."""


def width_of(model: str) -> str:
    """The hyper-parameter that is the width of the architecture called `model`, see `AutoregressiveModel`.

    Raises:
        ConfigError: if it has none.
    """
    architecture, described_by = registry.find_architecture(model)
    if typing.get_type_hints(described_by).get(architecture.width) is not int:
        raise ConfigError(
            f"match_parameters: {model} has no width that can be scaled: no whole number "
            f"{architecture.width!r} among its hyper-parameters (its class may name another one: width = ...)"
        )
    return architecture.width


def match_of(variant: VariantSpec, image: ImageSpec) -> Match:
    """The width at which a variant with `match_parameters` has the number of parameters nearest to that.

    The smaller one of two that are as near. Widths that the architecture refuses are passed over; the number
    of parameters is taken to grow with the width. `variant.hyperparameters` are as written, and
    `image.classes` is what the dataset has.

    Raises:
        ConfigError: if the variant gives the width itself or its architecture has none, or if another
            hyper-parameter is wrong.
        NoMatch: if the nearest is more than 10 % away.
    """
    asked, key = variant.match_parameters, width_of(variant.model)
    assert asked is not None
    if key in variant.hyperparameters:
        raise ConfigError(f"hyperparameters.{key}: match_parameters finds it; leave out one of the two")
    widths = _Widths(variant, image, key)
    value = widths.nearest(asked)
    parameters = widths.counts[value]
    if abs(parameters - asked) > FAR * asked:
        raise NoMatch(
            f"match_parameters: no {key} of {variant.model} comes within {100 * FAR:.0f} % of {asked:,} "
            f"parameters: the nearest, {value}, makes {parameters:,}; ask for about as many, or change its "
            "other hyper-parameters"
        )
    found = widths.at(value)
    return Match(key, value, parameters, found.hyperparameters, found.likelihood_hyperparameters)


def without_width(variant: VariantSpec, found: Match) -> VariantSpec:
    """A variant with `match_parameters`, resolved: the width stands in `found` alone."""
    rest = {key: value for key, value in found.hyperparameters.items() if key != found.width}
    return dataclasses.replace(
        variant, hyperparameters=rest, likelihood_hyperparameters=found.likelihood_hyperparameters
    )


class _Widths:
    """The widths of an architecture, and how many parameters they make, counted when asked for.

    Attributes:
        counts: width -> parameters, of those looked at so far that the architecture takes.
    """

    def __init__(self, variant: VariantSpec, image: ImageSpec, key: str) -> None:
        self._variant, self._image, self._key = variant, image, key
        _, described_by = registry.find_architecture(variant.model)
        (field,) = (field for field in dataclasses.fields(described_by) if field.name == key)
        self._low = max(1, math.ceil(field.metadata.get("minimum", 1)))
        self._high = int(min(WIDEST, field.metadata.get("maximum", WIDEST)))
        self._usual = field.default if isinstance(field.default, int) else self._low
        self.counts: dict[int, int] = {}
        self._refused: dict[int, ConfigError] = {}

    def at(self, width: int) -> VariantSpec:
        """The variant as if its width had been given by hand, resolved."""
        given = {**self._variant.hyperparameters, self._key: width}
        return registry.resolve(
            dataclasses.replace(self._variant, hyperparameters=given, match_parameters=None)
        )

    def nearest(self, asked: int) -> int:
        """The width whose number of parameters is nearest, the smallest of those.

        Raises:
            ConfigError: why the architecture takes no width, where it takes none.
        """
        found = [width for width in self._around(asked) if width in self.counts]
        if not found:
            raise next(iter(self._refused.values()))
        best = min(found, key=lambda width: (abs(self.counts[width] - asked), width))
        # Widths below it may make as many.
        _, smallest = self._around(self.counts[best])
        return smallest

    def _around(self, parameters: int) -> tuple[int, int]:
        """The largest width that makes fewer parameters, and the smallest that does not; bounds if none."""
        for step in itertools.count():
            below = max((w for w, n in self.counts.items() if n < parameters), default=self._low - 1)
            above = min((w for w, n in self.counts.items() if n >= parameters), default=self._high + 1)
            # Bisecting every third time bounds the number of steps, whatever the counts.
            guess = self._guess(below, above, parameters) if step % 3 < 2 else math.sqrt((below + 1) * above)
            if self._taken(below, above, round(guess)) is None:
                return below, above
        raise AssertionError("counts without end")

    def _guess(self, below: int, above: int, parameters: int) -> float:
        """Where between two widths a number of parameters may be, which grows about as the width's square."""
        roots = {w: math.sqrt(self.counts[w]) for w in (below, above) if w in self.counts}
        if not roots:
            return self._usual
        wanted = math.sqrt(parameters)
        if len(roots) == 1:
            ((width, root),) = roots.items()
            return width * wanted / root
        return below + (above - below) * (wanted - roots[below]) / (roots[above] - roots[below])

    def _taken(self, below: int, above: int, guess: int) -> int | None:
        """The width nearest to a guess, between two others, that the architecture takes, which is counted."""
        for width in itertools.islice(_outward(guess, below + 1, above - 1), MOST_REFUSED):
            if width not in self._refused:
                try:
                    self.counts[width] = self._count(width)
                    return width
                except NoSketch:
                    raise
                except ConfigError as refusal:
                    self._refused[width] = refusal
        return None

    def _count(self, width: int) -> int:
        spec = self.at(width)
        make = registry.maker(spec, self._image)
        try:
            with torch.device("meta"):
                return sum(weight.numel() for weight in make().parameters())
        except UserError:
            raise
        except Exception as error:
            if not (own := [name for name in (spec.model, spec.likelihood) if name.endswith(".py")]):
                raise
            place = next((name for name in own if plugins.is_of(error, name)), own[0])
            raise NoSketch(
                f"match_parameters: {place} cannot be built without numbers, on torch's meta device "
                f"({plugins.said_by(error, place)}); give {self._key} by hand"
            ) from error


def _outward(start: int, low: int, high: int) -> Iterator[int]:
    """The whole numbers of [low, high], those nearest to `start` first, the smaller one of two."""
    start = min(max(start, low), high)
    for distance in range(max(start - low, high - start) + 1):
        for number in dict.fromkeys((start - distance, start + distance)):
            if low <= number <= high:
                yield number
