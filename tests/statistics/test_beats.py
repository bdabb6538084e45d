"""The chance to beat, by scipy's U and by counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pixelcnn.statistics.beats import chance_to_beat
from pixelcnn.system.errors import UserError


def test_it_is_mann_and_whitneys_u_over_the_pairs() -> None:
    random = np.random.default_rng(0)
    for n, m in ((3, 3), (5, 4), (1, 12)):
        first, second = random.integers(0, 5, n).tolist(), random.integers(1, 6, m).tolist()
        u = stats.mannwhitneyu(first, second).statistic  # pairs in which the first is higher, ties half
        assert chance_to_beat(first, second, lower_is_better=False) == pytest.approx(u / (n * m))
        assert chance_to_beat(first, second) == pytest.approx(1 - u / (n * m))
    assert chance_to_beat([1.0, 2.0], [2.0, 3.0]) == 3.5 / 4
    for wrong in ([], [math.nan]):
        with pytest.raises(UserError, match="no chance to beat"):
            chance_to_beat([1.0], wrong)
