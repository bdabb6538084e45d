"""Simulated tables variant x seed, of which it is known what differs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelcnn.statistics.analysis import Analysis
from pixelcnn.statistics.layout import Layout, lay_out
from pixelcnn.statistics.levels import level_of

Floats = NDArray[np.float64]

#: Distance of neighbours in the ranking, in pooled standard deviations.
STEP = 1.5


@dataclass(frozen=True)
class Setting:
    """A kind of table: how many variants and seeds, how values spread, and what is amiss."""

    n: int
    ratio: int = 1
    correlation: float | str = 0.0
    variants: int = 5
    missing: bool = False
    apart: int = 0
    noisy: bool = False

    def layout(self) -> Layout:
        """Equal seeds are blocks but for the last `apart`; the first lacks a seed if one is `missing`."""
        names = [f"v{i}" for i in range(self.variants)]
        seeds = {name: range(int(self.missing and name == "v0"), self.n) for name in names}
        return lay_out(seeds, {name: 0 for name in names[: self.variants - self.apart]})

    def covariance(self) -> Floats:
        """Of the values of one seed: [variants, variants], of mean variance 1."""
        k = self.variants
        sd = np.where(np.arange(k) == 0, self.ratio, 1.0) if self.noisy else np.geomspace(1, self.ratio, k)
        correlation = np.full((k, k), 0.3 if isinstance(self.correlation, str) else self.correlation)
        if isinstance(self.correlation, str):
            correlation[0, 1] = correlation[1, 0] = 0.9
        if self.apart:
            correlation[:, k - self.apart :] = correlation[k - self.apart :] = 0.0
        np.fill_diagonal(correlation, 1.0)
        return np.asarray(correlation * np.outer(sd, sd) / np.square(sd).mean())

    def noise(self, draws: int, random: np.random.Generator) -> Floats:
        """Values around means of 0: [draws, variants, n]."""
        root = np.linalg.cholesky(self.covariance())
        return np.asarray(root @ random.standard_normal((draws, self.variants, self.n)))

    def means(self, draws: int, equal: int, random: np.random.Generator) -> Floats:
        """Means a step apart, but the `equal` best, in random order: [draws, variants]."""
        ladder = STEP * np.maximum(np.arange(self.variants) - max(equal - 1, 0), 0.0)
        return random.permuted(np.tile(ladder, (draws, 1)), axis=1)


def cells(layout: Layout, values: Floats) -> Floats:
    """Tables [draws, variants, n] as [draws, cells], missing ones left out."""
    at = {name: i for i, name in enumerate(layout.names)}
    return values[:, [at[name] for name, _ in layout.cells], [seed for _, seed in layout.cells]]


def differ(layout: Layout, means: Floats) -> NDArray[np.bool_]:
    """Whether the variants of a pair truly differ: [draws, pairs]."""
    first, second = np.array(layout.pairs).T
    return np.asarray(means[:, first] != means[:, second])


def found(analysis: Analysis, look: int = 1) -> NDArray[np.bool_]:
    """Whether the adjusted p of a pair is below 0.05: [draws, pairs]."""
    return np.asarray(analysis.stepped < level_of(look), bool)
