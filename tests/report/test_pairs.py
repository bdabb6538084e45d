"""The matrix of a dataset: over seeds and, apart from that, over test images."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.reports import report_of

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import collect
from pixelcnn.report.compare import VariantResult, rank
from pixelcnn.report.differences import Differences, data_order, differences_of
from pixelcnn.report.looks import Look
from pixelcnn.report.pairs import Pairs, compare_pairs, image_variation, nats_per_image
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


def pairs_of(results: Sequence[VariantResult], look: int = 1) -> Pairs:
    return compare_pairs(Differences(results, margin=0.005, look=Look(look)))


def test_every_ordered_pair_in_the_order_of_the_ranking(made: Benchmark) -> None:
    results = list(ranked(made).values())
    pairs = pairs_of(results)
    assert pairs.names == [result.name for result in results]
    assert set(pairs.seeds.pairs) == set(pairs.images) == set(itertools.permutations(VARIANTS, 2))
    for a, b in pairs.seeds.pairs:
        assert pairs.images[b, a] == pairs.images[a, b].reverse
        assert pairs.seeds[b, a] == pairs.seeds[a, b].reverse


def test_conditional_variants_compare_by_their_label_marginalised_nll(made: Benchmark) -> None:
    told = ranked(made)["told"]
    metrics = [run.metrics for run in told.variant.runs]
    assert list(told.by_seed(metric(RANKED_BY)).values()) == [m.marginal_nll for m in metrics if m]
    nats = nats_per_image(told)
    assert nats is not None
    assert nats.mean() == pytest.approx(np.mean([m.marginal_nll for m in metrics if m and m.marginal_nll]))


def test_equal_seeds_are_blocks_where_they_share_the_order_of_the_data(made: Benchmark) -> None:
    results = ranked(made)
    shared = {name: data_order(results["plain"]) == data_order(results[name]) for name in VARIANTS}
    assert shared == {"plain": True, "told": True, "large": False, "long": False, "slow": True}
    found = pairs_of(list(results.values())).seeds
    assert found["plain", "told"].blocked and not found["plain", "large"].blocked
    assert found["plain", "told"].difference == pytest.approx(
        results["plain"].nll.mean - results["told"].nll.mean  # type: ignore[union-attr]
    )


def test_the_report_says_which_scatter_judges_which_pairs(made: Benchmark) -> None:
    nll = metric(RANKED_BY)
    by_name = {name: np.array(result.values(nll)) for name, result in ranked(made).items()}
    within = np.array([by_name[name] for name in ("plain", "told", "slow")])
    within = within - within.mean(1, keepdims=True) - within.mean(0) + within.mean()
    scatter = np.sqrt(np.mean([np.var(values, ddof=1) for values in by_name.values()]))
    text = report_of(made).markdown
    others = [name for name in ranked(made) if name in ("large", "long")]
    assert (
        f"Equal seeds of all networks but {others[0]} and {others[1]} saw the data in the same order and are "
        f"compared with each other: a seed lies {np.sqrt((within**2).sum() / 4):.2f} nats (sd) from what"
    ) in text
    assert f"compared by their means: a seed lies {scatter:.2f} nats (sd) from its variant's mean." in text
    assert "the intervals of this one are drawn at 96 %, and p is multiplied by 1.25." in text


def test_groups_with_data_orders_of_their_own_are_told_apart(tmp_path: Path) -> None:
    large = {"training": {"batch_size": 32}}
    variants = {"a": {"model": "pixelcnn"}, "b": {"model": "gated"}}
    variants |= {"c": {"model": "pixelcnn", **large}, "d": {"model": "gated", **large}}
    made = made_up.benchmark(tmp_path, variants=variants)
    for spec in made.runs():
        made_up.write_run(made, spec, nll=20.0 + "abcd".index(spec.variant_name) + 0.1 * (spec.seed % 2))
    said = report_of(made).markdown
    assert "Equal seeds of a and b, and of c and d (each group in an order of its own) saw the data" in said
    variants |= {"e": {"model": "pixelsnail"}, "f": {"model": "attention"}}
    made = made_up.benchmark(tmp_path / "more", variants={k: v for k, v in variants.items() if k != "d"})
    for spec in made.runs():
        made_up.write_run(made, spec, nll=20.0 + "abcdef".index(spec.variant_name) + 0.1 * (spec.seed % 2))
    assert "Equal seeds of all networks but c saw the data in the same order" in report_of(made).markdown


def test_a_complete_table_is_judged_by_its_two_way_residual(tmp_path: Path) -> None:
    """Against the textbook's numbers: Tukey's intervals of a randomized block design."""
    names = ("plain", "slow", "third")
    made = made_up.benchmark(tmp_path, variants={n: {"model": "pixelcnn"} for n in names})
    means, seeds = np.array([[24.0], [23.6], [22.0]]), np.array([[0.0, 0.4, -0.4]])
    values = means + seeds + 0.05 * np.array([[1, -1, 0], [0, 1, -1], [-1, 0, 1]])
    for spec in made.runs():
        made_up.write_run(made, spec, nll=float(values[names.index(spec.variant_name), spec.seed]))
    pairs = pairs_of(list(ranked(made).values()))
    residual = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
    s = (residual**2).sum() / 4
    half = stats.studentized_range.ppf(0.96, 3, 4) * np.sqrt(s / 3)
    found = pairs.seeds["slow", "plain"]
    assert pairs.seeds.form == "common error" and pairs.seeds.coherent
    assert (found.low, found.high) == pytest.approx((-0.4 - half, -0.4 + half), abs=1e-4)
    assert pairs.differences.margin == pytest.approx(0.005 * values[2].mean())
    assert [pairs.ranks(name) for name in pairs.names] == [(1, 1), (2, 2), (3, 3)]


def test_a_baseline_is_no_part_of_the_common_error(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={n: {"model": "pixelcnn"} for n in ("plain", "slow", "flat")})
    made_up.write_all(made)
    for spec in made.runs():
        if spec.variant_name == "flat":
            made_up.write_run(made, spec, nll=90 + 0.001 * spec.seed)
    plan = folder_of(made).plan
    with_flat = pairs_of(list(ranked(made).values())).seeds
    known = {"flat": {"baseline": True}, "plain": {"baseline": False}}
    plan.write_text(json.dumps({"digits": known}), encoding="utf-8")
    apart = pairs_of(list(ranked(made).values())).seeds
    assert {with_flat["flat", "plain"].form, apart["flat", "plain"].form} == {"own errors", "baseline"}
    assert apart["plain", "slow"].form == "common error" and apart["plain", "slow"].family == 2
    assert "whether slow is a baseline is not known" in report_of(made).page
    for damaged in ("{", "[1]", '{"digits": [1]}', '{"digits": {"flat": 3}}', '{"digits": {"flat": {}}}'):
        plan.write_text(damaged, encoding="utf-8")
        assert pairs_of(list(ranked(made).values())).seeds.pairs == with_flat.pairs
    plan.unlink()
    assert pairs_of(list(ranked(made).values())).seeds.pairs == with_flat.pairs


def test_unfinished_variants_are_left_out(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants=VARIANTS)
    assert pairs_of(list(ranked(made).values())).names == []
    made_up.write_run(made, made.run("digits", "plain", 0))
    pairs = pairs_of(list(ranked(made).values()))
    assert (pairs.names, pairs.seeds.pairs, pairs.images) == (["plain"], {}, {})


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
    pairs = pairs_of(list(ranked(made).values()))
    assert {name for pair in pairs.images for name in pair} == set(VARIANTS) - {"plain"}
    assert set(pairs.seeds.pairs) == set(itertools.permutations(VARIANTS, 2))


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
    """A gap that is the same on every image, but of seeds that scatter: certain there, undecided here."""
    made = made_up.benchmark(tmp_path, variants={k: VARIANTS[k] for k in ("plain", "slow")})
    for spec in made.runs():
        offset = 0.0 if spec.variant_name == "slow" else (0.9, -0.6, 0.3)[spec.seed]
        made_up.write_run(made, spec, nll=24 + offset)
        path = folder_of(made).run_of(spec).nats
        np.savez_compressed(path, per_image=24 + offset + np.linspace(-5, 5, 60))
    pairs = pairs_of(list(ranked(made).values()))
    assert pairs.images["slow", "plain"].high < 0 and pairs.images["slow", "plain"].better == 1
    assert pairs.seeds["slow", "plain"].verdict == "undecided"
    assert pairs.having("undecided") == [("slow", "plain")] and pairs.ranks("slow") == (1, 2)
    over = pairs.new_images["slow", "plain"]
    assert over.difference == pairs.seeds["slow", "plain"].difference and over.seeds_share > 0.9
    added = "widen no interval between networks: they add less than 1 % to the variance of a difference"
    assert added in report_of(made).markdown
    for spec in made.runs():  # the same at every seed, but not on every image: images are all of the variance
        made_up.write_run(made, spec, nll=24.0)
        images = (0.1, -0.1) * 30 if spec.variant_name == "slow" else (-0.1, 0.1) * 30
        np.savez_compressed(folder_of(made).run_of(spec).nats, per_image=np.add(24.0, images))
    assert "The same over new seeds *and* new test images" in report_of(made).markdown
    for spec in made.runs():
        images = np.random.default_rng(len(spec.variant_name)).normal(24, 9, 60)
        np.savez_compressed(folder_of(made).run_of(spec).nats, per_image=images)
    wider = report_of(made).markdown
    assert added not in wider and "The same over new seeds *and* new test images" in wider


def test_variants_of_different_seeds_are_ranked_by_their_differences(tmp_path: Path) -> None:
    """Seeds move all variants by more than these differ, so means say which seeds they are of."""
    made = made_up.benchmark(
        tmp_path, seeds=list(range(6)), variants={n: {"model": "pixelcnn"} for n in ("a", "b", "c")}
    )
    for spec in made.runs():
        seeds = {"a": range(4), "b": range(2, 6), "c": range(6)}[spec.variant_name]
        if spec.seed in seeds:
            above = {"a": 0.2, "b": 0.0, "c": 1.0}[spec.variant_name] + 0.01 * ((3 * spec.seed) % 4)
            made_up.write_run(made, spec, nll=23 + above + (1.0 if spec.seed > 3 else -1.0))
    raw, (dataset,) = ranked(made), collect(folder_of(made).path).datasets
    assert list(raw) == ["a", "b", "c"]
    pairs = compare_pairs(differences_of(dataset, made, {}))
    assert pairs.names == ["b", "a", "c"] and [r.rank for r in pairs.differences.results] == [1, 2, 3]
    assert pairs.seeds["b", "a"].verdict == "better" and pairs.ranks("a") == (2, 2)
    over = pairs.new_images["b", "a"]
    assert over.difference == pairs.seeds["b", "a"].difference == pytest.approx(-0.2, abs=0.02)
    page = report_of(made).page
    assert "variants have different seeds, so means lie in another order" in page
    assert "Seed by seed b has the lowest NLL (the mean of its own seeds is 23" in page


def test_thirty_variants_with_ten_seeds_are_compared_in_a_moment(made: Benchmark, tmp_path: Path) -> None:
    results = many(ranked(made)["plain"], 30, 10, tmp_path)
    pairs_of(results[:2])  # imports
    started = time.process_time()
    pairs = pairs_of(results)
    assert time.process_time() - started < 5
    assert len(pairs.seeds.pairs) == len(pairs.images) == 30 * 29


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
