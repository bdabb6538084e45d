"""Mixtures of seeds: their numbers on the page and in the table, apart from single networks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.reports import Report

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import collect
from pixelcnn.report.compare import rank
from pixelcnn.report.differences import Differences
from pixelcnn.report.looks import Look
from pixelcnn.report.pairs import compare_pairs
from pixelcnn.report.seed_mixtures import Mixture, mix_seeds
from pixelcnn.report.tables import comparison_table
from pixelcnn.results.folder import folder_of


def nats(made: Benchmark, variant: str, seed: int, key: str = "per_image") -> np.ndarray:
    with np.load(folder_of(made).run_of(made.run("digits", variant, seed)).nats) as arrays:
        return np.asarray(arrays[key])


def by_hand(seeds: list[np.ndarray]) -> float:
    """Nats of the made-up images are few enough that their probabilities are numbers."""
    return float(-np.log(np.mean([np.exp(-own) for own in seeds], axis=0)).mean())


def test_a_mixture_is_of_the_probabilities_of_its_seeds(whole: Report) -> None:
    rows = whole.variants
    for variant, key in (("pixelsnail", "per_image"), ("gated-conditional", "marginal_per_image")):
        seeds = [nats(whole.benchmark, variant, seed, key) for seed in range(3)]
        expected, single = by_hand(seeds), float(np.mean(seeds))
        assert rows.loc[variant, "mixture_nll"] == pytest.approx(expected)
        assert rows.loc[variant, "mixture_n"] == 3
        assert single == pytest.approx(rows.loc[variant, "comparable_nll_mean"])
        mark = "†" if key != "per_image" else ""
        bits = expected / 196 / math.log(2)
        assert (
            f"| {variant}{mark} | 3 | {expected:.2f} | {bits:.4f} | {single:.2f} | {single - expected:.2f} |"
            in whole.markdown
        )
    assert "It costs 3 times as much" in whole.page and "compares only with mixtures" in whole.page


def test_only_finished_seeds_are_mixed(mixed: Report) -> None:
    rows = mixed.variants
    assert list(rows.loc[["plain", "told", "absent"], "mixture_n"]) == [3, 2, 0]
    assert pd.isna(rows.loc["absent", "mixture_nll"])
    told = [nats(mixed.benchmark, "told", seed, "marginal_per_image") for seed in (0, 1)]
    assert rows.loc["told", "mixture_nll"] == pytest.approx(by_hand(told))
    assert "Of n seeds it costs n times as much" in mixed.page


def test_seeds_without_usable_nats_are_left_out(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={"a": {"model": "a"}})
    for spec in made.runs():
        made_up.write_run(made, spec, sampled=False)

    def found() -> list[Mixture]:
        dataset = collect(folder_of(made).path).datasets[0]
        results = rank(dataset)
        mixtures = mix_seeds(results)
        pairs = compare_pairs(Differences(results, margin=0.0, look=Look()))
        (row,) = comparison_table([(dataset, results, pairs, mixtures)]).to_dict("records")
        assert row["mixture_n"] == (mixtures["a"].n if mixtures else 0)
        return list(mixtures.values())

    path = folder_of(made).run_of(made.run("digits", "a", 1)).nats
    np.savez_compressed(path, per_image=np.full(60, np.nan))
    usable = [nats(made, "a", seed) for seed in (0, 2)]
    (mixture,) = found()
    assert (mixture.n, mixture.nll) == (2, pytest.approx(by_hand(usable)))
    assert mixture.gain == pytest.approx(np.mean(usable) - by_hand(usable))
    folder_of(made).run_of(made.run("digits", "a", 2)).nats.unlink()
    assert found() == []
