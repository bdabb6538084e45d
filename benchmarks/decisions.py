"""How often `statistics.comparisons` errs and how much it finds, in simulated benchmarks.

    python -m benchmarks.decisions                 # 10,000 draws a line: minutes
    python -m benchmarks.decisions --draws 1000

A line is a kind of table variant x seed: normal values, `n` seeds, standard deviations equal or in equal
ratios from 1 to 4 or 10, seeds correlated between variants. Of each, in percent: the chance of any false
difference where all variants are equal, and where two are and the others lie apart; the chance that all
simultaneous intervals hold the true differences; the share of true differences found where neighbours in the
ranking are 1.5 pooled standard deviations apart; how often the error was taken as common. "t + Holm" is
Student's paired t of each pair alone, corrected by Holm, for comparison: false differences, and found ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pixelcnn.statistics.analysis import Analysis, analyse
from pixelcnn.statistics.comparisons import LEVELS, Comparison
from pixelcnn.statistics.layout import Layout, lay_out
from pixelcnn.statistics.seeds_needed import seeds_needed
from pixelcnn.statistics.stepdown import single_step

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


@dataclass(frozen=True)
class Rates:
    """What a setting gave, as shares: see the module's text. `holm_false` and `holm_found` are t + Holm's."""

    false: float
    false_of_two: float
    coverage: float
    found: float
    common: float
    holm_false: float
    holm_found: float


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
    return np.asarray(analysis.stepped < LEVELS[look - 1], bool)


def simulate(setting: Setting, draws: int, random: np.random.Generator) -> Rates:
    """The rates of one setting."""
    layout = setting.layout()
    noise = setting.noise(draws, random)
    equal = analyse(layout, cells(layout, noise))
    two, ladder = (setting.means(draws, count, random) for count in (2, 0))
    of_two = analyse(layout, cells(layout, noise + two[:, :, None]))
    of_ladder = analyse(layout, cells(layout, noise + ladder[:, :, None]))
    holm = [_holm(setting, noise + means[:, :, None]) for means in (0 * ladder, ladder)]
    return Rates(
        false=float(found(equal).any(axis=1).mean()),
        false_of_two=float((found(of_two) & ~differ(layout, two)).any(axis=1).mean()),
        coverage=float((equal.single >= LEVELS[0]).all(axis=1).mean()),
        found=float(found(of_ladder).mean()),
        common=float(equal.common.mean()),
        holm_false=float(holm[0].any(axis=1).mean()),
        holm_found=float(holm[1].mean()),
    )


def _holm(setting: Setting, values: Floats) -> NDArray[np.bool_]:
    """What paired t, corrected by Holm, finds in complete tables [draws, variants, n]: [draws, pairs]."""
    first, second = np.triu_indices(setting.variants, 1)
    d = values[:, first] - values[:, second]
    t = np.abs(d.mean(axis=2)) / d.std(axis=2, ddof=1) * np.sqrt(setting.n)
    p = single_step(t, 2, np.full(len(first), setting.n - 1.0))
    order = np.argsort(p, axis=1)
    rising = np.maximum.accumulate(np.take_along_axis(p, order, 1) * np.arange(len(first), 0, -1), axis=1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, rising, 1)
    return np.asarray(adjusted < 0.05)


@dataclass(frozen=True)
class Looks:
    """Of a first look and a second with all seeds: any false difference in either, and what each finds."""

    false: float
    first: float
    second: float


def look_twice(setting: Setting, first: int, draws: int, random: np.random.Generator) -> Looks:
    """A look at the first seeds of each table, then at all: no rule for going on errs more often."""
    early, late = replace(setting, n=first), setting
    noise = setting.noise(draws, random)
    ladder = setting.means(draws, 0, random)
    any_false, shares = np.zeros(draws, bool), []
    for look, at in enumerate((early, late), 1):
        layout = at.layout()
        any_false |= found(analyse(layout, cells(layout, noise)), look).any(axis=1)
        shares.append(found(analyse(layout, cells(layout, noise + ladder[:, :, None])), look).mean())
    return Looks(float(any_false.mean()), float(shares[0]), float(shares[1]))


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
    undecided = np.flatnonzero(look.stepped[draw] >= LEVELS[0])
    if not len(undecided):
        return first
    pair = undecided[np.argmin(look.stepped[draw][undecided])]
    difference, error, freedom = (float(of[draw, pair]) for of in (look.difference, look.error, look.freedom))
    undecided_pair = Comparison(
        difference, (first, first), error=error, freedom=freedom, form="common error", family=setting.variants
    )
    needed = seeds_needed(undecided_pair)
    return min(setting.n, first + needed.more) if needed else setting.n


def settings() -> Iterator[tuple[str, list[Setting]]]:
    """Headlines and their lines."""
    sizes, ratios = (3, 5, 10), (1, 4, 10)
    grid = list(product(sizes, ratios))
    for correlation in (0.0, 0.5, "mixed"):
        said = "one pair 0.9, the rest 0.3" if correlation == "mixed" else correlation
        yield f"five variants, correlation of seeds {said}", [Setting(n, r, correlation) for n, r in grid]
    yield "the first lacks a seed", [Setting(n, r, missing=True) for n, r in grid]
    yield "nine variants", [Setting(n, r, variants=9) for n, r in grid]
    yield "no shared data order", [Setting(n, r, apart=5) for n, r in grid]
    yield (
        "one of five with another data order, correlation 0.5",
        [Setting(n, r, 0.5, apart=1) for n, r in grid],
    )
    yield "one variant so many times as noisy as the others", [
        Setting(n, r, noisy=True) for n, r in grid if r > 1
    ]  # fmt: skip


HEAD = f"{'n':>3} {'sd':>5} | any false, of two, coverage, found, common | t + Holm: false, found"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=10_000, help="simulated tables a line")
    draws = parser.parse_args().draws
    random = np.random.default_rng(0)
    for title, lines in settings():
        print(f"\n{title}\n{HEAD}")
        for setting in lines:
            of = simulate(setting, draws, random)
            a, b, c, d, e, f, g = (100 * share for share in astuple(of))
            print(
                f"{setting.n:>3} {f'1:{setting.ratio}':>5} | {a:9.1f} {b:7.1f} {c:9.1f} {d:6.0f} {e:7.0f} "
                f"| {f:15.1f} {g:6.0f}", flush=True,
            )  # fmt: skip
    print("\ntwo looks, the number of seeds fixed before")
    print("  seeds    sd | any false in either, found at the first look, at the second")
    for (first, last), ratio in product(((3, 4), (3, 6), (5, 10), (5, 20)), (1, 4)):
        looks = look_twice(Setting(last, ratio), first, draws, random)
        a, b, c = (100 * share for share in astuple(looks))
        print(f"{first:>3} {last:>3} {'1:' + str(ratio):>5} | {a:4.1f} {b:3.0f} {c:3.0f}", flush=True)
    print("\ntwo looks, the second at up to 20 seeds as the first tells")
    print("seeds    sd | any false, at worst, mean seeds")
    for first, ratio in product((3, 5), (1, 4)):
        chosen = look_as_told(Setting(20, ratio), first, draws, random)
        a, b = 100 * chosen.as_told, 100 * chosen.at_worst
        print(f"{first:>5} {f'1:{ratio}':>5} | {a:9.1f} {b:9.1f} {chosen.seeds:11.1f}", flush=True)


if __name__ == "__main__":
    main()
