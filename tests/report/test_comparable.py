"""Results that do not compare are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pixelcnn.report.comparable import check_comparable
from pixelcnn.results.records import Metrics
from pixelcnn.system.errors import UserError

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
