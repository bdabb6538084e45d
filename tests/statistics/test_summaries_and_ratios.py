"""Seeds to means and intervals, times to ratios: numbers worked out by hand or by scipy.stats."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy import stats

from pixelcnn.statistics.comparisons import compare_with_zero
from pixelcnn.statistics.levels import holm
from pixelcnn.statistics.ratios import Ratio, ratio_interval
from pixelcnn.statistics.summary import summarize
from pixelcnn.system.errors import UserError


def test_three_seeds_give_the_interval_of_students_t() -> None:
    summary = summarize([1.0, 2.0, 3.0])
    half = 4.302652729911275 / math.sqrt(3)  # the 97.5 % quantile of t with 2 degrees of freedom, from tables
    assert (summary.mean, summary.sd, summary.n) == (2.0, 1.0, 3)
    assert summary.low == pytest.approx(2 - half, rel=1e-9)
    assert summary.high == pytest.approx(2 + half, rel=1e-9)


def test_two_seeds_at_another_confidence() -> None:
    summary = summarize([10.0, 12.0], confidence=0.5)
    assert summary.sd == pytest.approx(math.sqrt(2))
    assert summary.high == pytest.approx(12.0)  # t with 1 degree of freedom has its upper quartile at 1


def test_one_seed_has_no_spread() -> None:
    summary = summarize([7.5])
    assert (summary.mean, summary.sd, summary.low, summary.high, summary.n) == (7.5, None, None, None, 1)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_what_has_no_mean_is_refused(values: list[float]) -> None:
    with pytest.raises(UserError, match=r"^(no values to summarize|cannot summarize values that are not)"):
        summarize(values)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, and never less than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_exceeds_a_guess_is_students_test_corrected_by_holm() -> None:
    groups = [[0.3, 0.5, 0.1, 0.6], [2.0, 2.2, 1.9], [7.0], [0.4, 0.4]]
    found = compare_with_zero([dict(enumerate(group)) for group in groups])
    expected = [stats.ttest_1samp(group, 0) for group in groups[:2]]
    assert [c.plain_p for c in found[:2]] == pytest.approx([e.pvalue for e in expected], rel=1e-9)
    corrected = holm([expected[0].pvalue, expected[1].pvalue, 0.0])
    assert [c.p for c in found[:2]] == pytest.approx([p * 0.05 / 0.04 for p in corrected[:2]], rel=1e-9)
    whole = expected[0].confidence_interval(1 - 0.04 / 3)
    assert (found[0].low, found[0].high) == pytest.approx(tuple(whole), rel=1e-9)
    assert [c.sign for c in found] == [None, "higher", None, "higher"]
    assert found[2].p is None and (found[3].p, found[3].low, found[3].error) == (0.0, 0.4, 0.0)
    second = compare_with_zero([dict(enumerate(groups[0]))], look=2)[0]
    assert second.p == pytest.approx(min(1.0, expected[0].pvalue * 0.05 / 0.0075), rel=1e-9)
    assert compare_with_zero([]) == []


def test_ratio_of_times() -> None:
    slow, fast = [0.044, 0.046, 0.045], [0.020, 0.021, 0.0195, 0.020]
    found, back = ratio_interval(slow, fast), ratio_interval(fast, slow)
    expected = stats.ttest_ind(np.log(slow), np.log(fast), equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(stats.gmean(slow) / stats.gmean(fast))
    assert (found.low, found.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert (back.low, back.high) == pytest.approx((1 / found.high, 1 / found.low))
    assert (found.n, back.n) == ((3, 4), (4, 3))


def test_ratio_of_single_rounds_and_of_nothing() -> None:
    assert ratio_interval([3.0], [2.0]) == Ratio(pytest.approx(1.5), None, None, (1, 1))  # type: ignore[arg-type]
    assert ratio_interval([3.0, 3.0], [2.0, 2.0]).low == pytest.approx(1.5)
    for first, second in (([], [1.0]), ([-1.0], [1.0])):
        with pytest.raises(UserError):
            ratio_interval(first, second)
    said = "cannot take ratios of times that are not above zero: [1.0, 0.0, 2.0]"
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        ratio_interval([1.0, 0.0], [2.0])


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_intervals_have_the_confidence_asked_for(confidence: float) -> None:
    low, high = [1.0, 1.1, 0.9, 1.0], [1.5, 1.7, 1.4, 1.6, 1.55]
    one = stats.ttest_1samp(low, 0).confidence_interval(confidence)
    summary = summarize(low, confidence)
    assert (summary.low, summary.high) == pytest.approx(tuple(one), rel=1e-9)
    logs = [[math.log(value) for value in values] for values in (low, high)]
    welch = stats.ttest_ind(*logs, equal_var=False).confidence_interval(confidence)
    ratio = ratio_interval(low, high, confidence)
    assert (ratio.low, ratio.high) == pytest.approx((math.exp(welch.low), math.exp(welch.high)), rel=1e-9)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_of_means_cover_what_they_promise(n: int) -> None:
    values = np.random.default_rng([2025, n]).normal(113, 0.3, (10_000, n))
    intervals = [summarize(seeds) for seeds in values.tolist()]
    hits = [s.low <= 113 <= s.high for s in intervals if s.low is not None and s.high is not None]
    assert len(hits) == 10_000
    assert 0.935 <= np.mean(hits) <= 0.965
