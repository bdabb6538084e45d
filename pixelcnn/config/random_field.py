"""Causal random fields, of whose images p(x) is known exactly: data are drawn by them, the oracle knows them.

Channel c of a pixel has the level v, of L, with a probability proportional to exp(s(v) · h), where
s(v) = 2v / (L-1) - 1 and

    h = shift of the image's label + sum over taps of weight · s(level at the tap)

A tap is a channel of an earlier pixel or an earlier channel of the same one; outside the image it counts 0.
Of two levels the log-odds are 2h. Nothing here is drawn: a field is the same everywhere.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pixelcnn.config.fields import at_least
from pixelcnn.system.errors import ConfigError

#: Row and column of a place, or how far a place is from another.
Place = tuple[int, int]

#: Of `neighbours`: how much each pixel takes from those around it. The nearest draw it to their level, which
#: those behind them and the one to the upper right weaken.
NEIGHBOURS: dict[Place, float] = {
    (0, -1): 0.9, (-1, 0): 0.9, (-1, -1): -0.4, (-1, 1): 0.25, (0, -2): -0.25, (-2, 0): 0.25,
}  # fmt: skip
#: Of `neighbours` in colour: how much a channel takes from the one before, of the same pixel.
BETWEEN_CHANNELS = 0.5
#: With this weight a binary pixel is another one's copy with probability 0.95.
COPY = 0.5 * math.log(0.95 / 0.05)
#: Of `offsets`, where the config names none: near, above, two that a stack of masked convolutions does not
#: see (to the right in the rows just above), and far ones.
OFFSETS: tuple[Place, ...] = ((0, -2), (-2, 0), (-2, 6), (-1, 5), (-5, -5), (-9, -2))
#: Classes and images of a split, at most.
MOST_CLASSES, MOST_IN_SPLIT = 1000, 100_000_000


@dataclass(frozen=True)
class FieldSpec:
    """What `source: markov` draws."""

    rule: Literal["neighbours", "offsets", "label", "channel"] = "neighbours"
    """What a pixel depends on. neighbours: six pixels to the left and above; offsets: most are fair coins,
    the others copy the pixel at an offset; label: the label alone; channel: of 2 or more channels, the one
    before, of the same pixel or of that to the left."""
    strength: float = at_least(0, 1.0, 1000)
    """Multiplies all weights; 0: every pixel is a fair coin, or a fair die."""
    offsets: tuple[tuple[int, ...], ...] | None = None
    """Of the rule offsets: rows and columns from a pixel to the one that it copies, such as [0, -2] or
    [-1, 5]. Of one offset all pixels do; several have a region of the image each. null: six of them."""
    classes: int = at_least(1, 2, MOST_CLASSES)
    """Labels, all equally likely."""
    label_shift: float = at_least(0, 0.0, 1000)
    """How much the label shifts h: from minus this for the first one to plus this for the last."""
    images: tuple[int, ...] = (4000, 500, 10000)
    """Of training, validation and test; those of training are as many of each class."""

    def __post_init__(self) -> None:
        if len(self.images) != 3 or not all(1 <= count <= MOST_IN_SPLIT for count in self.images):
            raise ConfigError(
                "images: expected three whole numbers from 1 on, of training, validation and test images, "
                f"got {list(self.images)}"
            )
        if self.images[0] % self.classes:
            raise ConfigError(
                f"images: {self.images[0]} of training are not as many of each of {self.classes} classes, "
                "whose frequencies would not be those that the images are drawn with"
            )
        if self.offsets is not None and self.rule != "offsets":
            raise ConfigError(f"offsets: only rule: offsets takes them, got rule: {self.rule}")
        if self.offsets is not None:
            self._check_offsets(self.offsets)

    def _check_offsets(self, offsets: Sequence[tuple[int, ...]]) -> None:
        for offset in offsets:
            if len(offset) != 2 or not (offset[0] < 0 or (offset[0] == 0 and offset[1] < 0)):
                raise ConfigError(
                    "offsets: expected [row, column] of an earlier pixel, such as [0, -2] or [-1, 5]; got "
                    f"{list(offset)}"
                )
        if not offsets or len(set(offsets)) != len(offsets):
            raise ConfigError(f"offsets: expected one or more, each once, got {[list(o) for o in offsets]}")

    @property
    def label_matters(self) -> bool:
        """Whether images of different labels are distributed differently."""
        return self.classes > 1 and self.strength > 0 and (self.label_shift > 0 or self.rule == "label")


@dataclass(frozen=True)
class Tap:
    """What channel `target` takes from channel `source` of the pixel at an offset, (0, 0) for its own."""

    offset: Place
    source: int
    target: int
    weight: float
    places: frozenset[Place] | None = None
    """Where it does; None: everywhere."""


@dataclass(frozen=True)
class Rule:
    """A field for images of one shape.

    taps: those of all channels.
    shifts: label -> channel -> shift.
    answers: offset -> the places that copy the pixel there, of the rule `offsets`; else nothing.
    """

    taps: tuple[Tap, ...]
    shifts: tuple[tuple[float, ...], ...]
    answers: dict[Place, tuple[Place, ...]]


def rule_of(field: FieldSpec, channels: int, height: int, width: int) -> Rule:
    """The field for images [channels, height, width].

    Raises:
        ConfigError: naming the key, if such images have no room for it.
    """
    answers: dict[Place, tuple[Place, ...]] = {}
    if field.rule == "offsets":
        answers = answers_of(field, height, width)
        taps = [
            Tap(offset, channel, channel, COPY, frozenset(places))
            for offset, places in answers.items()
            for channel in range(channels)
        ]
    elif field.rule == "neighbours":
        taps = [Tap(o, c, c, weight) for o, weight in NEIGHBOURS.items() for c in range(channels)]
        taps += [Tap((0, 0), c - 1, c, BETWEEN_CHANNELS) for c in range(1, channels)]
    elif field.rule == "channel":
        if channels < 2:
            raise ConfigError("field.rule: channel needs images of 2 channels or more; say channels: 3")
        taps = [Tap((0, 0) if c % 2 else (0, -1), c - 1, c, COPY) for c in range(1, channels)]
    else:
        taps = []
    weighted = (Tap(t.offset, t.source, t.target, field.strength * t.weight, t.places) for t in taps)
    shift = field.strength * (1.0 if field.rule == "label" else field.label_shift)
    shifts = tuple((shift * _from_middle(label, field.classes),) * channels for label in range(field.classes))
    return Rule(tuple(weighted), shifts, answers)


def _from_middle(label: int, classes: int) -> float:
    """-1 for the first one to 1 for the last, in equal steps; 0 for the only one."""
    return 2 * label / (classes - 1) - 1 if classes > 1 else 0.0


@functools.lru_cache(maxsize=64)
def answers_of(field: FieldSpec, height: int, width: int) -> dict[Place, tuple[Place, ...]]:
    """Of the rule `offsets`: offset -> places that copy the pixel there, in the order of the config.

    One offset holds wherever that pixel is in the image. Of several each has a rectangle of its own, and a
    rectangle of coins that it copies; no two share a place, so nothing but that coin tells of its copy.

    Raises:
        ConfigError: if images of this size have no room for it.
    """
    offsets: list[Place] = [(row, column) for row, column in field.offsets or OFFSETS]
    for row, column in offsets:
        if -row >= height or abs(column) >= width:
            raise ConfigError(
                f"field.offsets: [{row}, {column}] leads out of every image of {height}x{width}; take a "
                "nearer one or a larger image_size"
            )
    if len(offsets) == 1:
        (offset,) = offsets
        return {offset: tuple(_inside(offset, height, width))}
    grid = _Grid(height, width)
    # Those that lead furthest have the fewest places to lie at.
    found = {o: grid.take(o, height * width // (2 * len(offsets))) for o in sorted(offsets, key=_distance)}
    return {offset: found[offset] for offset in offsets}


def _distance(offset: Place) -> int:
    return -abs(offset[0]) - abs(offset[1])


def _inside(offset: Place, height: int, width: int) -> list[Place]:
    """The places whose pixel at an offset is in the image."""
    places = ((row, column) for row in range(height) for column in range(width))
    return [(r, c) for r, c in places if r + offset[0] >= 0 and 0 <= c + offset[1] < width]


class _Grid:
    """Places that are still free; sets of them are the bits of a number, so that trying many is quick."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width, self.taken = height, width, 0

    def take(self, offset: Place, most: int) -> tuple[Place, ...]:
        """The largest rectangle that is free, with that at the offset, of `most` places; the lowest one."""
        for height, width in self._shapes(most):
            for row in range(self.height - height, -offset[0] - 1, -1):
                for column in range(self.width - width, -1, -1):
                    if not 0 <= column + offset[1] <= self.width - width:
                        continue
                    own = self._bits(row, column, height, width)
                    other = self._bits(row + offset[0], column + offset[1], height, width)
                    if not (own & other or (own | other) & self.taken):
                        self.taken |= own | other
                        return tuple((row + r, column + c) for r in range(height) for c in range(width))
        raise ConfigError(
            f"field.offsets: images of {self.height}x{self.width} have no room for all of them; take fewer, "
            "or a larger image_size"
        )

    def _shapes(self, most: int) -> list[Place]:
        """Heights and widths of up to `most` places: the largest first, of those the nearest to a square."""
        sides = ((h, w) for h in range(1, self.height + 1) for w in range(1, self.width + 1) if h * w <= most)
        return sorted(sides, key=lambda side: (-side[0] * side[1], abs(side[0] - side[1])))

    def _bits(self, row: int, column: int, height: int, width: int) -> int:
        line = ((1 << width) - 1) << column
        return sum(line << (self.width * (row + r)) for r in range(height))
