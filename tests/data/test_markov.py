"""Images drawn from a field are distributed as its p(x) says, and p(x) is a distribution."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from scipy import stats

from pixelcnn.config.random_field import COPY, NEIGHBOURS, FieldSpec
from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.preparation import check_dataset
from pixelcnn.data.sources import markov
from pixelcnn.system.errors import ConfigError


def dataset(size, levels=2, channels=1, **field) -> DatasetSpec:
    return DatasetSpec("markov", size, levels, channels=channels, field=FieldSpec(**field))


def every_image(spec: DatasetSpec) -> np.ndarray:
    shape = (spec.channels, *spec.height_width)
    images = itertools.product(range(spec.levels), repeat=math.prod(shape))
    return np.array(list(images), np.uint8).reshape(-1, *shape)


def probabilities(spec: DatasetSpec, label: int) -> np.ndarray:
    images = every_image(spec)
    nats = markov.log_prob(spec, images, np.full(len(images), label))
    return np.exp(nats.sum(axis=(1, 2, 3)))


TINY = [
    dataset((2, 3), rule="neighbours", label_shift=0.4),
    dataset((2, 2), levels=4, rule="neighbours", classes=3, images=(3, 1, 1)),
    dataset((1, 2), channels=3, rule="neighbours"),
    dataset((2, 1), channels=3, rule="channel", label_shift=0.2),
    dataset((2, 3), rule="offsets", offsets=((-1, 2),)),
    dataset((3, 3), rule="offsets", offsets=((-1, 1), (-2, 0))),
    dataset((1, 3), levels=3, rule="label"),
]


@pytest.mark.parametrize("spec", TINY, ids=lambda spec: spec.field.rule)
def test_the_probabilities_of_all_images_sum_to_1(spec):
    for label in range(spec.field.classes):
        assert probabilities(spec, label).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("spec", TINY, ids=lambda spec: spec.field.rule)
def test_images_are_drawn_as_often_as_their_probability_says(spec):
    count = 20_000
    split = markov.draw(spec, count, np.random.default_rng(1))
    index = {image.tobytes(): i for i, image in enumerate(every_image(spec))}
    for label in range(spec.field.classes):
        own = split.images[split.labels == label]
        found = np.bincount([index[image.tobytes()] for image in own], minlength=len(index))
        expected = len(own) * probabilities(spec, label)
        rare = expected < 5
        merged = [np.append(c[~rare], c[rare].sum()) if rare.any() else c for c in (found, expected)]
        assert stats.chisquare(*merged).pvalue > 1e-3
    assert stats.binomtest(int((split.labels == 0).sum()), count, 1 / spec.field.classes).pvalue > 1e-3


def test_log_p_is_that_of_the_rule_written_out():
    """The last pixel of 2x2, of 4 levels, with two channels, and a label that shifts it."""
    spec = dataset((2, 2), levels=4, channels=2, rule="neighbours", strength=0.7, label_shift=0.3)
    image = np.array([[[0, 3], [1, 2]], [[2, 2], [0, 1]]], np.uint8)
    levels = {0: -1.0, 1: -1 / 3, 2: 1 / 3, 3: 1.0}
    s = np.vectorize(levels.get)(image)
    weight = {offset: 0.7 * value for offset, value in NEIGHBOURS.items()}
    h = 0.7 * 0.3 + weight[0, -1] * s[1, 1, 0] + weight[-1, 0] * s[1, 0, 1] + weight[-1, -1] * s[1, 0, 0]
    h += 0.7 * 0.5 * s[0, 1, 1]
    expected = s[1, 1, 1] * h - math.log(sum(math.exp(v * h) for v in levels.values()))
    found = markov.log_prob(spec, image[None], np.array([1]))
    assert found[0, 1, 1, 1] == pytest.approx(expected, abs=1e-12)


def test_a_pixel_copies_the_one_at_its_offset_and_no_other_tells_of_either():
    spec = dataset(14, rule="offsets")
    answers = markov.answers(spec)
    assert list(answers) == [(0, -2), (-2, 0), (-2, 6), (-1, 5), (-5, -5), (-9, -2)]
    images = markov.draw(spec, 4000, np.random.default_rng(0)).images[:, 0]
    used = []
    for (rows, columns), places in answers.items():
        assert len(places) >= 8
        for r, c in places:
            used += [(r, c), (r + rows, c + columns)]
            same = (images[:, r, c] == images[:, r + rows, c + columns]).mean()
            assert same == pytest.approx(0.95, abs=0.015)
    assert len(set(used)) == len(used)
    coins = np.ones((14, 14), bool)
    for places in answers.values():
        coins[tuple(zip(*places, strict=True))] = False
    nats = -markov.log_prob(spec, images[:, None].astype(np.uint8), np.zeros(4000, int)).mean(axis=(0, 1))
    assert nats[coins] == pytest.approx(math.log(2), abs=1e-12)
    entropy = -0.95 * math.log(0.95) - 0.05 * math.log(0.05)
    assert nats[~coins].mean() == pytest.approx(entropy, abs=0.01)
    assert 1 / (1 + math.exp(-2 * COPY)) == pytest.approx(0.95)


def test_splits_are_drawn_apart_and_training_labels_are_balanced():
    spec = dataset(4, rule="label", classes=4, images=(40, 10, 30))
    more = dataclasses.replace(spec, field=FieldSpec(rule="label", classes=4, images=(80, 10, 30)))
    first, second = (markov.load(None, one) for one in (spec, more))
    for name in ("valid", "test"):
        assert np.array_equal(first[name].images, second[name].images)
    assert np.bincount(first["train"].labels).tolist() == [10] * 4
    assert not np.array_equal(first["valid"].labels, first["test"].labels[:10])
    other = markov.load(None, dataclasses.replace(spec, split_seed=1))
    assert not np.array_equal(first["test"].images, other["test"].images)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (lambda: DatasetSpec("markov", None, 2, field=FieldSpec()), "image_size: source: markov needs it"),
        (lambda: DatasetSpec("markov", 4, 2), "field: source: markov needs it, such as"),
        (lambda: DatasetSpec("mnist5k", 14, 16, field=FieldSpec()), "field: source: mnist5k does not take"),
        (lambda: dataset(4, rule="channel"), "field.rule: channel needs images of 2 channels or more"),
        (lambda: dataset(5, rule="offsets", offsets=((-5, 0),)), "leads out of every image of 5x5"),
        (lambda: dataset(2, rule="offsets", offsets=((0, -1), (-1, 0), (-1, 1))), "have no room for all"),
        (lambda: dataset(4, rule="offsets", offsets=((0, 1),)), "earlier pixel, such as .* got .0, 1."),
        (lambda: dataset(4, rule="offsets", offsets=()), "expected one or more, each once"),
        (lambda: dataset(4, rule="label", offsets=((0, -1),)), "only rule: offsets takes them"),
        (lambda: dataset(4, classes=3), "images: 4000 of training are not as many of each of 3"),
        (lambda: dataset(4, images=(10, 0, 10)), "images: expected three whole numbers from 1 on"),
    ],
)
def test_a_section_that_describes_no_field_is_refused_in_one_sentence(spec, words):
    with pytest.raises(ConfigError, match=words):
        check_dataset(spec())
