"""A small part of all combinations in which each pair of values stands at least once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest


def values(case: Sequence[Any]) -> list[tuple[int, str]]:
    """The values of a case, each with its place."""
    return [*enumerate(map(repr, case))]


def pairs(case: Sequence[Any]) -> set[Any]:
    """The pairs of them."""
    return set(itertools.combinations(values(case), 2))


def covering(cases: Sequence[Any]) -> list[Any]:
    """Cases taken one by one: that with the most pairs that no other has, of values that were taken least."""
    left, chosen, taken = set().union(*map(pairs, cases)), [], Counter[tuple[int, str]]()
    while left:
        best = max(cases, key=lambda case: (len(pairs(case) & left), -sum(taken[v] for v in values(case))))
        chosen.append(best)
        left -= pairs(best)
        taken.update(values(best))
    return chosen


def covered(cases: Sequence[Any]) -> list[Any]:
    """For `parametrize`: a covering set, and the rest of the cases for `--all`."""
    chosen = covering(cases)
    return chosen + [pytest.param(*case, marks=pytest.mark.product) for case in cases if case not in chosen]
