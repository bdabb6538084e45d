"""How often repeated looks at growing tables err, in simulated benchmarks (benchmarks/decisions.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_tables import Setting, cells, found
from pixelcnn.statistics.analysis import Analysis, analyse
from pixelcnn.statistics.comparisons import Comparison
from pixelcnn.statistics.levels import level_of
from pixelcnn.statistics.seeds_needed import seeds_needed


@dataclass(frozen=True)
class Looks:
    """Of looks at growing numbers of seeds: any false difference in any look, and the share each finds.

    `stopped` is the share found, and `seeds` their mean number, by who stops at the first look that tells
    every pair apart.
    """

    false: float
    found: tuple[float, ...]
    stopped: float
    seeds: float


def look_often(setting: Setting, sizes: Sequence[int], draws: int, random: np.random.Generator) -> Looks:
    """Looks at the first so many seeds of each table: no rule for going on errs more often than all looks."""
    noise = replace(setting, n=sizes[-1]).noise(draws, random)
    ladder = setting.means(draws, 0, random)
    false, done, shares = np.zeros(draws, bool), np.zeros(draws, bool), []
    stopped, seeds = np.zeros(draws), np.zeros(draws)
    for look, n in enumerate(sizes, 1):
        layout = replace(setting, n=n).layout()
        false |= found(analyse(layout, cells(layout, noise)), look).any(axis=1)
        apart = found(analyse(layout, cells(layout, noise + ladder[:, :, None])), look)
        shares.append(float(apart.mean()))
        stopped[~done], seeds[~done] = apart.mean(axis=1)[~done], n
        done |= apart.all(axis=1)
    return Looks(float(false.mean()), tuple(shares), float(stopped.mean()), float(seeds.mean()))


@dataclass(frozen=True)
class Chosen:
    """Any false difference where the first look says how many seeds the second gets, and at worst."""

    as_told: float
    at_worst: float
    seeds: float


def look_as_told(setting: Setting, first: int, draws: int, random: np.random.Generator) -> Chosen:
    """A second look at the seeds that `seeds_needed` asks for the clearest undecided pair, or `setting.n`.

    `at_worst` is for the wickedest choice: that of the number of seeds at which something false is found,
    if any is. `seeds` is their mean number where all are equal.
    """
    noise = setting.noise(draws, random)
    layouts = {n: replace(setting, n=n).layout() for n in range(first, setting.n + 1)}
    looks = {n: analyse(layout, cells(layout, noise)) for n, layout in layouts.items()}
    false: dict[int, NDArray[np.bool_]] = {
        n: np.asarray(found(looks[n], 1 + (n > first)).any(axis=1)) for n in layouts
    }
    told = np.array([_told(looks[first], draw, first, setting) for draw in range(draws)])
    second = np.array([false[n][draw] for draw, n in enumerate(told)])
    return Chosen(
        as_told=float((false[first] | second).mean()),
        at_worst=float(np.stack(list(false.values())).any(axis=0).mean()),
        seeds=float(told.mean()),
    )


def _told(look: Analysis, draw: int, first: int, setting: Setting) -> int:
    """The number of seeds that the first look asks for."""
    undecided = np.flatnonzero(look.stepped[draw] >= level_of(1))
    if not len(undecided):
        return first
    pair = undecided[np.argmin(look.stepped[draw][undecided])]
    difference, error, freedom = (float(of[draw, pair]) for of in (look.difference, look.error, look.freedom))
    undecided_pair = Comparison(
        difference, (first, first), error=error, freedom=freedom, form="common error", family=setting.variants
    )
    needed = seeds_needed(undecided_pair)
    return min(setting.n, first + needed.more) if needed else setting.n
