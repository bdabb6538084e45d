"""Images drawn from a causal random field, whose p(x) is known exactly (`config.random_field`).

The section of the config says which: its `field`, `image_size`, `levels` and `channels`. Its `split_seed`
draws the images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelcnn.config.random_field import FieldSpec, Place, Rule, answers_of, rule_of
from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import SPLITS, Described, Split
from pixelcnn.system.errors import ConfigError

KEYS = ("field", "channels")


def describe(spec: DatasetSpec) -> Described:
    """What the images are: all that the section says.

    Raises:
        ConfigError: naming the key that is missing, or that such images have no room for.
    """
    if spec.height_width is None:
        raise ConfigError("image_size: source: markov needs it: images of any size can be drawn")
    field = _field(spec)
    rule_of(field, spec.channels or 1, *spec.height_width)
    return Described(field.classes, spec.levels, spec.channels or 1, spec.height_width)


def load(data_root: Path, spec: DatasetSpec) -> dict[str, Split]:
    """The splits, each drawn by itself: more training images change no test image; no file is needed."""
    counts = dict(zip(SPLITS, _field(spec).images, strict=True))
    return {
        name: draw(spec, counts[name], np.random.default_rng([spec.split_seed, i]), balanced=name == "train")
        for i, name in enumerate(SPLITS)
    }


def draw(spec: DatasetSpec, count: int, random: np.random.Generator, *, balanced: bool = False) -> Split:
    """So many images from the field of a dataset, with their labels.

    Labels are drawn; where they are `balanced`, as many of each class in random order.
    """
    classes = _field(spec).classes
    if balanced:
        labels = random.permutation(np.arange(count) % classes)
    else:
        labels = random.integers(0, classes, count)
    rule, (height, width), channels = _rule(spec), _size(spec), spec.channels or 1
    images = np.zeros((count, channels, height, width), np.uint8)
    scaled = np.zeros(images.shape)
    levels = np.linspace(-1, 1, spec.levels)
    for row in range(height):
        for column in range(width):
            for channel in range(channels):
                h = _tilt(rule, scaled, labels, channel, (row, column))
                weights = np.exp(levels * h[:, None] - np.abs(h)[:, None])
                below = weights.cumsum(axis=1)
                drawn = (random.random((count, 1)) * below[:, -1:] >= below[:, :-1]).sum(axis=1)
                images[:, channel, row, column] = drawn
                scaled[:, channel, row, column] = levels[drawn]
    return Split(images, labels.astype(np.int64))


def log_prob(spec: DatasetSpec, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """log p of each channel of each pixel given all before it and the label, in nats: [N, C, H, W]."""
    rule, levels = _rule(spec), np.linspace(-1, 1, spec.levels)
    scaled = levels[images]
    result = np.zeros(images.shape)
    for channel, row, column in np.ndindex(*images.shape[1:]):
        h = _tilt(rule, scaled, labels, channel, (row, column))
        norm = np.logaddexp.reduce(levels * h[:, None], axis=1)
        result[:, channel, row, column] = scaled[:, channel, row, column] * h - norm
    return result


def answers(spec: DatasetSpec) -> dict[Place, tuple[Place, ...]]:
    """Of a field with the rule `offsets`: offset -> the places (row, column) that copy the pixel there."""
    field = _field(spec)
    return answers_of(field, *_size(spec)) if field.rule == "offsets" else {}


def _tilt(
    rule: Rule, scaled: NDArray[np.float64], labels: NDArray[np.int64], channel: int, place: Place
) -> NDArray[np.float64]:
    """h of a channel at a place, of each image: [N]. `scaled` are levels from -1 to 1, [N, C, H, W]."""
    h = np.array([shifts[channel] for shifts in rule.shifts])[labels]
    for tap in rule.taps:
        row, column = place[0] + tap.offset[0], place[1] + tap.offset[1]
        inside = 0 <= row < scaled.shape[2] and 0 <= column < scaled.shape[3]
        if tap.target == channel and inside and (tap.places is None or place in tap.places):
            h = h + tap.weight * scaled[:, tap.source, row, column]
    return h


def _field(spec: DatasetSpec) -> FieldSpec:
    if spec.field is None:
        raise ConfigError("field: source: markov needs it, such as {rule: neighbours}")
    return spec.field


def _size(spec: DatasetSpec) -> Place:
    assert spec.height_width is not None, "`describe` has looked at it"
    return spec.height_width


def _rule(spec: DatasetSpec) -> Rule:
    return rule_of(_field(spec), spec.channels or 1, *_size(spec))
