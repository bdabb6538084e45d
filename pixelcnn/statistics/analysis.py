"""One analysis of a table variant x seed: every difference, its standard error and its p.

`analyse` takes many tables of one layout at once, so that a report and a simulation do the same arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelcnn.statistics.layout import Contrast, ErrorModel, Layout
from pixelcnn.statistics.stepdown import single_step, step_down

Floats = NDArray[np.float64]

# Both by simulation (benchmarks/decisions.py), with seeds as blocks (True) and without.

#: The weight of a variant's own variance in its error where errors are not common. Less errs too often where
#: variances differ, more finds less.
OWN = {True: 0.6, False: 0.75}

#: Errors are common where own variances differ at most so many times as much as by chance, times the
#: root of the residual degrees of freedom a variant: with few of them the unequal often look equal.
COMMON_UP_TO = {True: 0.6, False: 0.4}

#: Values that agree to this share of their size differ by rounding only.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Analysis:
    """Of each table and pair, first minus second: arrays [tables, pairs].

    `error` is the standard error of the `difference` and `freedom` its degrees of freedom. `p` is the pair's
    alone; `single` and `stepped` are adjusted for all pairs. `common` [tables] says where errors are common.
    `scatter` has the common variance [tables] by which blocked pairs (True) and others (False) are judged,
    where there are such.
    """

    difference: Floats
    error: Floats
    freedom: Floats
    p: Floats
    single: Floats
    stepped: Floats
    common: NDArray[np.bool_]
    scatter: dict[bool, Floats]


@dataclass(frozen=True)
class Variances:
    """Of tables: the `common` error variance [tables], `own` ones [tables, variants], where all are `one`."""

    model: ErrorModel
    blocked: bool
    common: Floats
    own: Floats
    one: NDArray[np.bool_]

    @classmethod
    def of(cls, layout: Layout, values: Floats, *, blocked: bool) -> Variances:
        """Those of tables [tables, cells], with seeds as blocks or without."""
        model = layout.two_way if blocked else layout.one_way
        assert model is not None, "no two variants share seeds"
        common, own = model.variances(values)
        some = common > (ROUNDING * np.abs(values).max(axis=1)) ** 2
        common, own = np.where(some, common, 0.0), np.where(some[:, None], own, 0.0)
        spread = np.divide(own, common[:, None], out=np.ones_like(own), where=some[:, None]) - 1
        each = model.freedom / max(1, model.judged.sum())
        limit = COMMON_UP_TO[blocked] * math.sqrt(each) * model.expected_spread() + 1e-9
        return cls(model, blocked, common, own, (spread**2).sum(axis=1) <= limit)

    def of_contrast(self, weights: Floats, own: bool) -> tuple[Floats, float]:
        """Variance [tables] of a contrast and its degrees of freedom; `own` weighs own variances."""
        share = OWN[self.blocked] if own else 0.0
        mixed = (1 - share) * self.common[:, None] + share * np.maximum(self.own, 0)
        return mixed @ weights, self.model.shrunk_freedom(weights, share)

    def rows(self, tables: NDArray[np.bool_]) -> Variances:
        """Those of some of the tables."""
        return Variances(self.model, self.blocked, self.common[tables], self.own[tables], self.one[tables])


def analyse(layout: Layout, values: Floats) -> Analysis:
    """All pairs of tables `values` [tables, cells], cells in the order of the layout.

    The error is common to all variants, or else, where their variances differ by more than chance, the
    variance of each is drawn towards its own. The switch is one for the whole table.
    """
    variances = _variances(layout, values)
    common = np.all([found.one for found in variances.values()], axis=0)
    difference = values @ np.array([c.cells for c in layout.contrasts]).T
    size = np.abs(values).max(axis=1, keepdims=True)
    difference[np.abs(difference) <= ROUNDING * size] = 0.0
    chosen: list[Floats] = []
    for form, own in ((common, False), (~common, True)):
        if not form.any():
            continue
        rows = {blocked: found.rows(form) for blocked, found in variances.items()}
        found = _form(layout, rows, difference[form], size[form], own)
        chosen = chosen or [np.empty(difference.shape) for _ in found]
        for whole, part in zip(chosen, found, strict=True):
            whole[form] = part
    error, freedom, p, single, stepped = chosen
    scatter = {blocked: found.common for blocked, found in variances.items()}
    return Analysis(difference, error, freedom, p, single, stepped, common, scatter)


def _variances(layout: Layout, values: Floats) -> dict[bool, Variances]:
    """The variances by which contrasts are judged, with seeds as blocks (True) and without."""
    found = {}
    if any(c.blocked for c in layout.contrasts):
        found[True] = Variances.of(layout, values, blocked=True)
    if not all(c.blocked for c in layout.contrasts):
        found[False] = Variances.of(layout, values, blocked=False)
    return found


def _form(
    layout: Layout, variances: dict[bool, Variances], difference: Floats, size: Floats, own: bool
) -> list[Floats]:
    """Error, degrees of freedom, p alone, p in a single step and stepwise: each [tables, pairs]."""

    def of(contrast: Contrast) -> tuple[Floats, float]:
        return variances[contrast.blocked].of_contrast(contrast.weights, own)

    squares, degrees = zip(*(of(contrast) for contrast in layout.contrasts), strict=True)
    error = np.sqrt(np.stack(squares, axis=1))
    error[error <= ROUNDING * size] = 0.0
    freedom = np.round(np.array(degrees), 6)  # rounding apart, equal ones are one table of the distribution
    t = np.where(difference == 0, 0.0, np.inf)  # where nothing is left to chance
    np.divide(np.abs(difference), error, out=t, where=error > 0)
    groups = len(layout.names)
    alone, single = single_step(t, 2, freedom), single_step(t, groups, freedom)
    return [error, np.broadcast_to(freedom, t.shape), alone, single, step_down(t, groups, freedom)]
