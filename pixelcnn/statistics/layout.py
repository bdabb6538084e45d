"""Which values a table variant x seed has, and what follows from that alone: its linear model.

Nothing here looks at a value, so one layout serves a table and ten thousand simulated ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Cell = tuple[str, int]


@dataclass(frozen=True)
class ErrorModel:
    """The residuals of a linear model and how they tell the variance of each variant.

    `residuals` [cells, cells] is the projection M off the fitted means (and seeds); `variants` [variants,
    cells] is 1 where a cell is the variant's; `freedom` is the degrees of freedom of the common error. If
    variant v has error variance s_v^2, the sum of its squared residuals has expectation sum_w K_vw s_w^2
    with K_vw = sum of M_ab^2 over cells a of v, b of w; so `unmixed`, the pseudo-inverse of K, gives
    unbiased variances (MINQUE). `judged` [variants] are those with residuals at all.

    Source: Rao (1970), Estimation of heteroscedastic variances in linear models.
    """

    residuals: Floats
    variants: Floats
    freedom: float
    unmixed: Floats
    judged: NDArray[np.bool_]

    @classmethod
    def of(cls, columns: Floats, variants: Floats) -> ErrorModel:
        """The model with these `columns` [cells, parameters], which need not be independent."""
        projection = np.eye(len(columns)) - columns @ np.linalg.pinv(columns)
        mixed = variants @ projection**2 @ variants.T
        unmixed = np.asarray(np.linalg.pinv(mixed, rcond=1e-9, hermitian=True), np.float64)
        judged = np.diag(mixed) > 1e-9
        return cls(projection, variants, float(round(np.trace(projection))), unmixed, judged)

    def variances(self, values: Floats) -> tuple[Floats, Floats]:
        """Of tables [tables, cells]: the common variance [tables] and each variant's own [tables, variants].

        Own ones are unbiased if variants differ, so with seeds as blocks one may come out negative; that of a
        variant which is not judged is the common one.
        """
        squares = (values @ self.residuals) ** 2 @ self.variants.T
        common = squares.sum(axis=1) / self.freedom
        return common, np.where(self.judged, squares @ self.unmixed, common[:, None])

    def expected_spread(self) -> float:
        """The expected sum of (own / common - 1)^2 over variants if all have one error."""
        chance = 2 * (np.trace(self.unmixed) - self.judged.sum() / self.freedom)
        return float(chance / (1 + 2 / self.freedom))

    def shrunk_freedom(self, weights: Floats, own: float) -> float:
        """Degrees of freedom of sum_v weights_v ((1 - own) common + own own_v), by two moments.

        Source: Satterthwaite (1946), An approximate distribution of estimates of variance components; at
        equal variances, where no moment need be estimated.
        """
        share = weights / weights.sum()
        return float(1 / ((1 - own**2) / self.freedom + own**2 * share @ self.unmixed @ share))


@dataclass(frozen=True)
class Contrast:
    """First variant minus second: `cells` makes the estimate, `weights` [variants] its variance.

    The variance is sum_v weights_v s_v^2, with the variances of the model with seeds as blocks if
    `blocked`, and else of the one without.
    """

    cells: Floats
    weights: Floats
    blocked: bool


@dataclass(frozen=True)
class Layout:
    """A table's cells, its variants, and the contrast of each pair of variants.

    `one_way` is the model with a mean a variant; `two_way`, over the cells of variants that share seeds
    with others, has an effect of each seed too. It is None where no two share any. `balanced` says that all
    pairs have the same standard error if all variants have.
    """

    names: tuple[str, ...]
    cells: tuple[Cell, ...]
    one_way: ErrorModel
    two_way: ErrorModel | None
    contrasts: tuple[Contrast, ...]
    balanced: bool

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Places in `names` of the variants of each contrast."""
        return list(combinations(range(len(self.names)), 2))


def lay_out(seeds: Mapping[str, Sequence[int]], data_order: Mapping[str, Hashable]) -> Layout:
    """The layout of variants with these seeds, two or more each.

    Equal seeds of variants with equal `data_order` saw the same data in the same order, and are one block. A
    variant without one shares seeds with none.
    """
    names = tuple(seeds)
    cells = tuple((name, seed) for name in names for seed in sorted(seeds[name]))
    variants = np.array([float(n == m) for n in names for m, _ in cells]).reshape(len(names), len(cells))
    blocks = _blocks(seeds, data_order)
    of_cell = [blocks.get(cell) for cell in cells]
    inside = np.array([block is not None for block in of_cell])
    columns = [[float(block == other) for other in dict.fromkeys(of_cell) if other] for block in of_cell]
    two_way, inverse = None, np.zeros((0, 0))
    if inside.any():
        design = np.hstack([variants.T, np.array(columns)]) * inside[:, None]
        model = ErrorModel.of(np.hstack([design, np.eye(len(cells))[:, ~inside]]), variants)
        two_way, inverse = model, np.linalg.pinv(design)
    averages = variants / variants.sum(axis=1, keepdims=True)
    component = {name: next((b[1] for (n, _), b in blocks.items() if n == name), None) for name in names}
    contrasts = []
    for i, j in combinations(range(len(names)), 2):
        blocked = component[names[i]] is not None and component[names[i]] == component[names[j]]
        of = inverse if blocked else averages
        estimate = of[i] - of[j]
        contrasts.append(Contrast(estimate, variants @ estimate**2, blocked))
    sizes = [c.weights.sum() for c in contrasts]
    balanced = len({c.blocked for c in contrasts}) <= 1 and np.ptp(sizes or [0.0]) < 1e-9
    return Layout(
        names, cells, ErrorModel.of(variants.T, variants), two_way, tuple(contrasts), bool(balanced)
    )


def _blocks(
    seeds: Mapping[str, Sequence[int]], data_order: Mapping[str, Hashable]
) -> dict[Cell, tuple[int, str]]:
    """The block of each cell that has one: its seed, and the first of the variants connected by shared seeds.

    Left out are seeds of one variant only, and variants with fewer than two of those that are left: they
    would have an effect each to themselves and nothing would be left to judge by.
    """
    left = {(name, seed) for name in seeds for seed in seeds[name] if data_order.get(name) is not None}
    while True:
        shared = {
            (n, s) for n, s in left
            if any((m, s) in left and data_order[m] == data_order[n] for m in seeds if m != n)
        }  # fmt: skip
        kept = {(n, s) for n, s in shared if sum((n, t) in shared for t in seeds[n]) >= 2}
        if kept == left:
            break
        left = kept
    first = {name: name for name in seeds}
    for _ in seeds:  # the earliest name spreads along shared seeds, one step a round at least
        for n, s in sorted(left):
            for m in seeds:
                if (m, s) in left and data_order[m] == data_order[n]:
                    first[n] = first[m] = min(first[n], first[m])
    return {(n, s): (s, first[n]) for n, s in left}
