"""Adjusted p of all pairs of several means, from one common error or from errors of their own."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pixelcnn.statistics.studentized_range import survival

Floats = NDArray[np.float64]


def single_step(t: Floats, groups: int, freedom: Floats) -> Floats:
    """p of each pair, adjusted for all at once: t [tables, pairs] and `freedom` [pairs] give [tables, pairs].

    Exact for equal n and one error, conservative for unequal n.

    Sources: Tukey (1953); Kramer (1956); Hayter (1984), A proof of the conjecture that the Tukey-Kramer
    multiple comparisons procedure is conservative; for errors of their own Games and Howell (1976).
    """
    found = np.empty(t.shape)
    for nu in np.unique(freedom):
        of = freedom == nu
        found[:, of] = survival(np.sqrt(2) * np.abs(t[:, of]), groups, float(nu))
    return found


def step_down(t: Floats, groups: int, freedom: Floats) -> Floats:
    """p of each pair, adjusted one after the other, the clearest first; never above `single_step`.

    Pairs are in the order of `itertools.combinations`. Once some are told apart, equalities that can still
    hold tie the variants into clusters without such a pair. The chance that the range of any cluster is as
    large as seen is at most one minus the product of the chances that each is less; p is that of the worst
    clustering, and not less than any before.

    Sources: Shaffer (1986), Modified sequentially rejective multiple test procedures, for the equalities
    that can still hold; Einot and Gabriel (1975), A study of the powers of several methods of multiple
    comparisons, for ranges of clusters; Kimball (1951), On dependent tests of significance, for the product.
    """
    single = single_step(t, groups, freedom)
    outside = np.stack([single_step(t, size, freedom) for size in range(1, groups + 1)], axis=-1)
    inside = np.log1p(-np.minimum(outside, 1 - 1e-15))  # log P(the range of a cluster of 1, 2, ... is less)
    first, second = np.array(list(combinations(range(groups), 2))).T
    order = np.argsort(single, axis=1, kind="stable")
    rows = np.arange(len(t))
    together = np.tile(~np.eye(groups, dtype=bool), (len(t), 1, 1))
    adjusted, least = np.empty_like(single), np.zeros(len(t))
    for at in order.T:
        worst = -np.expm1(_worst_clustering(inside[rows, at], together))
        least = np.maximum(least, np.minimum(worst, single[rows, at]))
        adjusted[rows, at] = least
        together[rows, first[at], second[at]] = together[rows, second[at], first[at]] = False
    return adjusted


def _worst_clustering(inside: Floats, together: NDArray[np.bool_]) -> Floats:
    """The least sum over clusters of `inside` [tables, size - 1] that `together` [tables, k, k] allows.

    Every variant of a cluster of s must be together with s - 1 others and in (s - 1)(s - 2) / 2 triangles;
    that all of a cluster are together is not asked for, so p may be too high, never too low.
    """
    tables, groups = inside.shape
    edges = together.astype(np.float64)
    others, triangles = edges.sum(axis=2), (edges @ edges * edges).sum(axis=2) / 2
    best = np.full((tables, groups + 1), np.inf)  # by how many variants are in clusters so far
    best[:, 0] = 0.0
    for size in range(groups, 1, -1):
        able = ((others >= size - 1) & (triangles >= math.comb(size - 1, 2))).sum(axis=1)
        if not (able >= size).any():
            continue
        for _ in range(groups // size):
            grown = best[:, :-size] + inside[:, size - 1, None]
            grown[np.arange(size, groups + 1) > able[:, None]] = np.inf
            np.minimum(best[:, size:], grown, out=best[:, size:])
    return np.asarray(best.min(axis=1))
