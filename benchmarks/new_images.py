"""How often intervals over seeds and new test images hold, in simulations (benchmarks/decisions.py)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from benchmarks.simulated_tables import Setting, cells
from pixelcnn.statistics.analysis import analyse
from pixelcnn.statistics.crossed import Part, half_width, total
from pixelcnn.statistics.levels import level_of
from pixelcnn.statistics.studentized_range import quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Coverage:
    """Shares that hold the true difference for new seeds and images: of intervals, and of whole tables.

    `seeds_only` is the plain interval over seeds, which is not made for it.
    """

    plain: float
    simultaneous: float
    seeds_only: float


def cover(
    setting: Setting, images: int, part: float, draws: int, random: np.random.Generator, both: float = 1.0
) -> Coverage:
    """Of values mu_v + seed + error_vs + image_i + (variant x image)_vi + error_vsi, all normal.

    The variance of (variant x image) makes the images' part of a difference `part` times that of the seeds',
    on average over pairs, and that of error_vsi is `both` times as large. What the arithmetic uses of the
    images, means and sums of products, is drawn from its distribution (Wishart's), and so no image need be.
    """
    n, layout = setting.n, setting.layout()
    first, second = np.array(layout.pairs).T
    by_seed = _of_differences(setting.covariance()[None], first, second).mean() / 2
    variant = by_seed * part * images / n
    residual = both * variant
    noise = setting.noise(draws, random)
    noise += random.normal(0, np.sqrt(variant / images), (*noise.shape[:2], 1))
    noise += random.normal(0, np.sqrt(residual / images), noise.shape)
    analysis = analyse(layout, cells(layout, noise))
    across = (variant + residual / n) * _products(setting.variants, images - 1, draws, random)
    left = residual * _products(setting.variants, (n - 1) * (images - 1), draws, random)
    freedom = np.full(analysis.freedom.shape, images - 1.0)
    own = left[:, first, first] + left[:, second, second]
    squares = _of_differences(left, first, second) if layout.two_way is not None else own
    seeds = Part(analysis.error**2, analysis.freedom)
    over = total(
        seeds,
        Part(_of_differences(across, first, second) / (images - 1) / images, freedom),
        Part(squares / ((n - 1) * (images - 1)) / (n * images), freedom * (n - 1)),
    )
    off = np.abs(analysis.difference)
    return Coverage(
        plain=float((off <= half_width(_alone, seeds, over)).mean()),
        simultaneous=float(
            (off <= half_width(partial(critical, setting.variants), seeds, over)).all(axis=1).mean()
        ),
        seeds_only=float((off <= _alone(seeds.freedom) * analysis.error).mean()),
    )


def _alone(freedom: Floats) -> Floats:
    """The critical value of a plain interval."""
    return np.asarray(stdtrit(freedom, 0.975))


def _products(variants: int, freedom: int, draws: int, random: np.random.Generator) -> Floats:
    """Sums of products of so many independent standard normal vectors: [draws, variants, variants].

    Source: Bartlett (1933), On the theory of statistical regression: their triangular root.
    """
    root = np.tril(random.standard_normal((draws, variants, variants)), -1)
    at = np.arange(variants)
    root[:, at, at] = np.sqrt(random.chisquare(freedom - at, (draws, variants)))
    return np.asarray(root @ root.transpose(0, 2, 1))


def _of_differences(products: Floats, first: NDArray[np.intp], second: NDArray[np.intp]) -> Floats:
    """Sums of squares of differences: [draws, pairs]."""
    own = products[:, first, first] + products[:, second, second]
    return np.asarray(own - 2 * products[:, first, second])


def critical(groups: int, freedom: Floats) -> Floats:
    """Critical values of simultaneous intervals at a first look, interpolated between degrees of freedom."""
    grid, values = _critical(groups)
    return np.interp(1 / freedom, grid, values)


@lru_cache
def _critical(groups: int) -> tuple[Floats, Floats]:
    freedom = np.geomspace(1e6, 0.5, 200)
    return 1 / freedom, np.array([quantile(level_of(1), groups, nu) for nu in freedom]) / np.sqrt(2)
