"""Seeds to intervals, checked against numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pixelcnn.errors import UserError
from pixelcnn.records import Metrics
from pixelcnn.statistics import check_comparable, summarize


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
    with pytest.raises(UserError):
        summarize(values)


METRICS = Metrics("d", "a" * 64, "test", 60, 196, 2, nll=20.0, bits_per_dim=0.1, perplexity=1.1)


def test_runs_that_differ_in_their_result_alone_compare() -> None:
    check_comparable({"a/b/seed0": METRICS, "a/b/seed1": replace(METRICS, digest="e", nll=21.0)})
    check_comparable({})


@pytest.mark.parametrize(
    ("key", "value"),
    [("data_sha256", "b" * 64), ("split", "valid"), ("images", 59), ("dims", 784), ("levels", 16)],
)
def test_different_data_are_refused_by_name(key: str, value: object) -> None:
    other = replace(METRICS, **{key: value})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=f"a/b/seed0 and a/b/seed2 .*{key}"):
        check_comparable({"a/b/seed0": METRICS, "a/b/seed1": METRICS, "a/b/seed2": other})
