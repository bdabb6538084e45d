"""How often `statistics.comparisons` errs and how much it finds, in simulated benchmarks.

    python -m benchmarks.decisions                 # 10,000 draws a line: minutes
    python -m benchmarks.decisions --draws 1000

A line is a kind of table variant x seed: normal values, `n` seeds, standard deviations equal or in equal
ratios from 1 to 4, 10 or 30, seeds correlated between variants. Of each, in percent: the chance of any false
difference where all variants are equal, and where two are and the others lie apart; the chance that all
simultaneous intervals hold the true differences; the share of true differences found where neighbours in the
ranking are 1.5 pooled standard deviations apart; how often the error was taken as common. "t + Holm" is
Student's paired t of each pair alone, corrected by Holm, for comparison: false differences, and found ones.
Then what several looks err and find, and how often intervals hold for new seeds and new test images.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.looks import look_as_told, look_often
from benchmarks.new_images import cover
from benchmarks.simulated_tables import Setting, cells, differ, found
from pixelcnn.statistics.analysis import analyse
from pixelcnn.statistics.levels import level_of
from pixelcnn.statistics.stepdown import single_step

Floats = NDArray[np.float64]


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
        coverage=float((equal.single >= level_of(1)).all(axis=1).mean()),
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
    yield "nine variants, seven with data orders of their own", [
        Setting(n, r, variants=9, apart=7) for n, r in product(sizes, (*ratios, 30))
    ]  # fmt: skip


HEAD = f"{'n':>3} {'sd':>5} | any false, of two, coverage, found, common | t + Holm: false, found"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=10_000, help="simulated tables a line")
    draws = parser.parse_args().draws
    for seed, part in enumerate((_print_tables, _print_looks, _print_new_images)):
        part(draws, np.random.default_rng(seed))


def _print_tables(draws: int, random: np.random.Generator) -> None:
    for title, lines in settings():
        print(f"\n{title}\n{HEAD}")
        for setting in lines:
            of = simulate(setting, draws, random)
            a, b, c, d, e, f, g = (100 * share for share in astuple(of))
            print(
                f"{setting.n:>3} {f'1:{setting.ratio}':>5} | {a:9.1f} {b:7.1f} {c:9.1f} {d:6.0f} {e:7.0f} "
                f"| {f:15.1f} {g:6.0f}", flush=True,
            )  # fmt: skip


def _print_looks(draws: int, random: np.random.Generator) -> None:
    print("\ntwo looks, the second at up to 20 seeds as the first tells")
    print("seeds    sd | any false, at worst, mean seeds")
    for first, ratio in product((3, 5), (1, 4)):
        chosen = look_as_told(Setting(20, ratio), first, draws, random)
        a, b = 100 * chosen.as_told, 100 * chosen.at_worst
        print(f"{first:>5} {f'1:{ratio}':>5} | {a:9.1f} {b:9.1f} {chosen.seeds:11.1f}", flush=True)
    print("\nlooks at numbers of seeds fixed before; whoever stops does so once every pair is told apart")
    print("       seeds    sd | any false in any look | found by who stops, mean seeds | found at each look")
    for sizes, ratio in product(((3, 4), (3, 6), (5, 10), (5, 20), (3, 6, 12), (3, 6, 12, 24)), (1, 4)):
        looks = look_often(Setting(sizes[-1], ratio), sizes, draws, random)
        each = " ".join(f"{100 * share:3.0f}" for share in looks.found)
        print(
            f"{' '.join(map(str, sizes)):>12} {f'1:{ratio}':>5} | {100 * looks.false:21.1f} "
            f"| {100 * looks.stopped:19.0f} {looks.seeds:11.1f} | {each}", flush=True,
        )  # fmt: skip


def _print_new_images(draws: int, random: np.random.Generator) -> None:
    print(
        "\nnew test images: five variants, seeds correlated 0.5; coverage plain, simultaneous, of seeds alone"
    )
    print("  n | images' part so many times that of seeds: 0.1, 1, 10")
    kinds = {
        "100 images": (100, 1, 0, 1.0),
        "500 images": (500, 1, 0, 1.0),
        "10,000 images": (10_000, 1, 0, 1.0),
        "500 images, sd 1:4": (500, 4, 0, 1.0),
        "500 images, no shared data order": (500, 1, 5, 1.0),
        "500 images, mostly noise of single values": (500, 1, 0, 100.0),
    }
    for said, (images, ratio, apart, both) in kinds.items():
        print(said)
        for n in (3, 5, 10):
            setting = Setting(n, ratio, 0.5, apart=apart)
            rates = [cover(setting, images, part, draws, random, both) for part in (0.1, 1.0, 10.0)]
            each = " | ".join(" ".join(f"{100 * share:5.1f}" for share in astuple(rate)) for rate in rates)
            print(f"{n:>3} | {each}", flush=True)


if __name__ == "__main__":
    main()
