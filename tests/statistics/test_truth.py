"""Excess over a known truth: its interval, and the test of lying below it, against other ways to say them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pixelcnn.statistics.truth import Excess, below, excess


def test_the_interval_is_students_paired_one():
    random = np.random.default_rng(0)
    truth = random.gamma(30, 2, 400)
    nats = truth + random.normal(0.1, 0.5, 400)
    found = excess(nats, truth)
    other = stats.ttest_rel(nats, truth).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((other.low, other.high))
    assert found.mean == pytest.approx(np.mean(nats) - np.mean(truth)) and found.images == 400


def test_the_chance_of_being_below_is_never_understated():
    """Over all sets of images that there can be: p(x) of 3 events, a q that is off, every set of 8."""
    p, q = np.array([0.6, 0.3, 0.1]), np.array([0.45, 0.35, 0.2])
    sets = np.array(np.meshgrid(*[range(3)] * 8)).reshape(8, -1)
    chance = p[sets].prod(axis=0)
    found = np.array([excess(-np.log(q[one]), -np.log(p[one])).p for one in sets.T])
    for alpha in (0.01, 0.05, 0.2, 0.5):
        assert 0 < chance[found <= alpha].sum() + 1e-12 <= alpha


def test_what_is_no_probability_is_below():
    truth = np.full(500, 10.0)
    assert excess(truth - 0.1, truth).p == pytest.approx(math.exp(-50))
    assert excess(truth, truth).p == 1 and excess(truth + 1, truth).p == 1


def test_holm_counts_every_variant_that_was_asked():
    def one(p: float) -> Excess:
        return Excess(-0.1, -0.2, 0.0, p, 100)

    assert below({"a": one(0.03)}) == {"a": pytest.approx(0.03)}
    assert below({"a": one(0.03), "b": one(1.0)}) == {}
    assert below({"a": one(0.03), "b": one(0.01)}) == {"a": pytest.approx(0.03), "b": pytest.approx(0.02)}
    assert below({}) == {}


def test_other_images_are_refused():
    with pytest.raises(ValueError, match="same images"):
        excess(np.zeros(3), np.zeros(4))
