"""The matrix of a dataset: over seeds and, apart from that, over test images."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import collect
from pixelcnn.report.compare import VariantResult, rank
from pixelcnn.report.pairs import (
    compare_pairs,
    image_variation,
    nats_per_image,
    share_data_order,
)
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.results.metric_table import RANKED_BY, metric
from pixelcnn.results.records import Metrics

VARIANTS: dict[str, Any] = {
    "plain": {"model": "pixelcnn"},
    "told": {"model": "pixelcnn", "conditional": True},
    "large": {"model": "gated", "training": {"batch_size": 32}},
    "long": {"model": "gated", "training": {"epochs": 3}},
    "slow": {"model": "gated", "training": {"learning_rate": 1e-4}},
}


@pytest.fixture
def made(tmp_path: Path) -> Benchmark:
    made = made_up.benchmark(tmp_path, variants=VARIANTS)
    made_up.write_all(made)
    return made


def ranked(made: Benchmark) -> dict[str, VariantResult]:
    return {result.name: result for result in rank(collect(folder_of(made).path).datasets[0])}


def test_every_ordered_pair_in_the_order_of_the_ranking(made: Benchmark) -> None:
    results = list(ranked(made).values())
    pairs = compare_pairs(results)
    assert pairs.names == [result.name for result in results]
    assert set(pairs.seeds) == set(pairs.images) == set(itertools.permutations(VARIANTS, 2))
    for a, b in pairs.seeds:
        assert pairs.images[b, a] == pairs.images[a, b].reverse
        assert pairs.seeds[b, a] == pairs.seeds[a, b].reverse


def test_conditional_variants_compare_by_their_label_marginalised_nll(made: Benchmark) -> None:
    told = ranked(made)["told"]
    metrics = [run.metrics for run in told.variant.runs]
    assert list(told.by_seed(metric(RANKED_BY)).values()) == [m.marginal_nll for m in metrics if m]
    nats = nats_per_image(told)
    assert nats is not None
    assert nats.mean() == pytest.approx(np.mean([m.marginal_nll for m in metrics if m and m.marginal_nll]))


def test_seeds_are_paired_where_they_share_the_order_of_the_data(made: Benchmark) -> None:
    results = ranked(made)
    shared = {name: share_data_order(results["plain"], results[name]) for name in VARIANTS}
    assert shared == {"plain": True, "told": True, "large": False, "long": False, "slow": True}
    found = compare_pairs(list(results.values())).seeds
    assert found["plain", "told"].paired and not found["plain", "large"].paired
    assert found["plain", "told"].mean == pytest.approx(
        results["plain"].nll.mean - results["told"].nll.mean  # type: ignore[union-attr]
    )


def test_one_shared_seed_makes_no_pairs(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants=VARIANTS)
    for spec in made.runs():
        if (spec.variant_name == "plain") == (spec.seed == 0) or spec.seed == 2:
            made_up.write_run(made, spec, status="finished" if spec.seed != 2 else "failed")
    results = ranked(made)
    assert not share_data_order(results["plain"], results["told"])
    assert compare_pairs(list(results.values())).seeds["plain", "told"].p is None


def test_unfinished_variants_are_left_out(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants=VARIANTS)
    assert compare_pairs(list(ranked(made).values())).names == []
    made_up.write_run(made, made.run("digits", "plain", 0))
    pairs = compare_pairs(list(ranked(made).values()))
    assert (pairs.names, pairs.seeds, pairs.images) == (["plain"], {}, {})


@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "wrong length", "nan", "no key"])
def test_nats_that_cannot_be_used_leave_their_part_out(made: Benchmark, damage: str) -> None:
    path = folder_of(made).run_of(made.run("digits", "plain", 1)).nats
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "text":
        path.write_text("nats", encoding="utf-8")
    else:
        nats = {"wrong length": np.ones(59), "nan": np.full(60, np.nan), "no key": np.ones(60)}[damage]
        np.savez_compressed(path, **{"per_pixel" if damage == "no key" else "per_image": nats})
    pairs = compare_pairs(list(ranked(made).values()))
    assert {name for pair in pairs.images for name in pair} == set(VARIANTS) - {"plain"}
    assert set(pairs.seeds) == set(itertools.permutations(VARIANTS, 2))


def test_image_variation_is_students_paired_interval() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(100, 20, 50), random.normal(101, 20, 50)
    second[:4] = first[:4]
    found = image_variation(first, second)
    expected = stats.ttest_rel(first, second)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.mean / found.error == pytest.approx(expected.statistic)
    assert found.better == pytest.approx(((first < second).sum() + 2) / 50)
    assert found.images == 50
    back = image_variation(second, first)
    assert (back.mean, back.low, back.better) == pytest.approx((-found.mean, -found.high, 1 - found.better))


def test_images_do_not_speak_for_seeds(tmp_path: Path) -> None:
    """A gap that is the same on every image, but of seeds that scatter: certain there, a tie here."""
    made = made_up.benchmark(tmp_path, variants={k: VARIANTS[k] for k in ("plain", "slow")})
    for spec in made.runs():
        offset = 0.0 if spec.variant_name == "slow" else (0.9, -0.6, 0.3)[spec.seed]
        made_up.write_run(made, spec, nll=24 + offset)
        path = folder_of(made).run_of(spec).nats
        np.savez_compressed(path, per_image=24 + offset + np.linspace(-5, 5, 60))
    pairs = compare_pairs(list(ranked(made).values()))
    assert pairs.images["slow", "plain"].high < 0 and pairs.images["slow", "plain"].better == 1
    assert pairs.seeds["slow", "plain"].verdict == "tie"
    assert pairs.tied("slow") == ["plain"]


def test_thirty_variants_with_ten_seeds_are_compared_in_a_moment(made: Benchmark, tmp_path: Path) -> None:
    results = many(ranked(made)["plain"], 30, 10, tmp_path)
    compare_pairs(results[:2])  # imports
    started = time.process_time()
    pairs = compare_pairs(results)
    assert time.process_time() - started < 5
    assert len(pairs.seeds) == len(pairs.images) == 30 * 29


def many(like: VariantResult, variants: int, seeds: int, folder: Path) -> Sequence[VariantResult]:
    """Results of 2,000 test images each, made from one."""
    run = like.variant.finished[0]
    assert isinstance(run.metrics, Metrics)
    path = folder / "many"
    path.mkdir()
    np.savez_compressed(RunFolder(path).nats, per_image=np.random.default_rng(0).normal(100, 20, 2000))
    results = []
    for i in range(variants):
        runs = [
            replace(
                run,
                folder=path,
                spec=replace(run.spec, seed=seed),
                metrics=replace(run.metrics, nll=100 + i + 0.1 * seed, images=2000),
            )
            for seed in range(seeds)
        ]
        results.append(VariantResult(replace(like.variant, name=f"v{i}", runs=runs), like.summaries, i + 1))
    return results
