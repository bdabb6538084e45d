"""What statistics say beyond their intervals: directions, units, refusals; by public functions alone."""

from __future__ import annotations

import math
import re

import pytest
from scipy import stats

from pixelcnn.statistics.differences import compare_all, difference, holm
from pixelcnn.statistics.ratios import ratio_interval
from pixelcnn.statistics.summary import summarize
from pixelcnn.system.errors import UserError

LOW, HIGH = {0: 1.0, 1: 1.1, 2: 0.9, 3: 1.0}, {0: 1.5, 1: 1.7, 2: 1.4, 3: 1.6, 4: 1.55}


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("paired", [True, False])
def test_the_unit_of_a_measure_decides_nothing(unit, paired):
    def scaled(values):
        return {seed: value * unit for seed, value in values.items()}

    one, other = difference(LOW, HIGH, paired=paired), difference(scaled(LOW), scaled(HIGH), paired=paired)
    assert other.verdict == one.verdict == "lower", "by less than 1 of the unit, too"
    assert other.p == pytest.approx(one.p, rel=1e-9)
    assert (other.mean, other.low, other.high) == pytest.approx(
        (one.mean * unit, one.low * unit, one.high * unit), rel=1e-9
    )
    # Values that differ in their last digits alone are the same ones.
    rounded = {0: 3 * unit, 1: 3 * unit * (1 + 4e-16), 2: 3 * unit}
    same = difference(rounded, {seed: 3 * unit for seed in range(3)}, paired=paired)
    assert (same.mean, same.low, same.high, same.p, same.verdict) == (0, 0, 0, 1, "tie")
    apart = difference(rounded, {seed: 4 * unit for seed in range(3)}, paired=paired)
    assert (apart.p, apart.verdict) == (0, "lower") and apart.mean == pytest.approx(-unit)
    assert apart.low == apart.mean == apart.high and apart.paired == same.paired == paired


@pytest.mark.parametrize("paired", [True, False])
def test_the_reverse_is_the_second_minus_the_first(paired):
    found, back = difference(LOW, HIGH, paired=paired).reverse, difference(HIGH, LOW, paired=paired)
    assert (found.mean, found.low, found.high, found.p, found.p_holm) == pytest.approx(
        (back.mean, back.low, back.high, back.p, back.p_holm), rel=1e-12
    )
    assert (found.n, found.paired, found.verdict) == (back.n, back.paired, back.verdict)
    assert found.n == ((4, 4) if paired else (5, 4)) and found.verdict == "higher"
    alone = difference({0: 2.0}, HIGH, paired=paired).reverse
    assert (alone.n, alone.low, alone.high, alone.verdict) == ((5, 1), None, None, None)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_intervals_have_the_confidence_asked_for(confidence):
    low, high = list(LOW.values()), list(HIGH.values())
    found = difference(LOW, HIGH, paired=False, confidence=confidence)
    welch = stats.ttest_ind(low, high, equal_var=False).confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx(tuple(welch), rel=1e-9)
    paired = difference(LOW, HIGH, paired=True, confidence=confidence)
    student = stats.ttest_rel(low, high[:4]).confidence_interval(confidence)
    assert (paired.low, paired.high) == pytest.approx(tuple(student), rel=1e-9)
    one = stats.ttest_1samp(low, 0).confidence_interval(confidence)
    summary = summarize(low, confidence)
    assert (summary.low, summary.high) == pytest.approx(tuple(one), rel=1e-9)
    logs = [[math.log(value) for value in values] for values in (low, high)]
    welch = stats.ttest_ind(*logs, equal_var=False).confidence_interval(confidence)
    ratio = ratio_interval(low, high, confidence)
    assert (ratio.low, ratio.high) == pytest.approx((math.exp(welch.low), math.exp(welch.high)), rel=1e-9)


def test_every_pair_is_corrected_for_all_that_were_tested():
    middle = {0: 1.3, 1: 1.2, 2: 1.6, 3: 1.1}
    found = compare_all({"low": LOW, "high": HIGH, "middle": middle, "alone": {0: 1.0}}, lambda a, b: False)
    pairs = [("low", "high"), ("low", "middle"), ("high", "middle")]
    corrected = holm([found[pair].p for pair in pairs])
    smallest, between, largest = sorted(found[pair].p for pair in pairs)
    by_hand = {smallest: 3 * smallest, between: max(3 * smallest, 2 * between)}
    by_hand[largest] = max(by_hand[between], largest)
    for (a, b), p in zip(pairs, corrected, strict=True):
        assert found[a, b].p_holm == found[b, a].p_holm == p == pytest.approx(by_hand[found[a, b].p])
    assert found["low", "alone"].p_holm is None


def test_what_cannot_be_summarized_is_said():
    for call in (lambda: summarize([]), lambda: difference({}, {}, paired=True)):
        with pytest.raises(UserError, match=r"^no values to summarize"):
            call()
    with pytest.raises(UserError, match=r"^cannot summarize values that are not finite: \[1\.0, nan\]$"):
        summarize([1, math.nan])
    said = "cannot take ratios of times that are not above zero: [1.0, 0.0, 2.0]"
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        ratio_interval([1.0, 0.0], [2.0])
