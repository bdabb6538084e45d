"""The numbers of the report: means, intervals, ranks, and which runs are in them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gmean
from support.reports import T_2, Report, report_of

from benchmarks import made_up
from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.report.sections.results import dims_words
from pixelcnn.results.folder import folder_of


def test_means_and_intervals_are_those_of_the_seeds(mixed: Report) -> None:
    row = mixed.variants.loc["plain"]
    sd = math.sqrt((0.3**2 + 0.1**2 + 0.4**2) / 2)
    assert row["nll_mean"] == pytest.approx(20.3)
    assert row["nll_sd"] == pytest.approx(sd)
    assert row["nll_low"] == pytest.approx(20.3 - T_2 * sd / math.sqrt(3))
    assert row["nll_high"] == pytest.approx(20.3 + T_2 * sd / math.sqrt(3))
    assert (row["n"], row["expected"]) == (3, 3)
    assert f"{20.3:.2f} ± {sd:.2f}" in mixed.page


def test_a_conditional_variant_is_ranked_by_its_marginalised_nll(mixed: Report) -> None:
    told, plain = mixed.variants.loc["told"], mixed.variants.loc["plain"]
    assert told["nll_mean"] == pytest.approx(20.2)  # below plain's 20.3, but given the label
    assert told["comparable_nll_mean"] == pytest.approx(20.6)
    assert told["comparable_bits_per_dim_mean"] == pytest.approx(20.6 / 196 / math.log(2))
    assert (plain["rank"], told["rank"]) == (1, 2)
    assert pd.isna(plain["marginal_nll_mean"]) and plain["comparable_nll_mean"] == plain["nll_mean"]
    assert mixed.page.index('data-value="plain">') < mixed.page.index('data-value="told">')


def test_bits_by_channel_are_those_of_every_finished_seed_and_their_mean_is_bits_per_dim(
    mixed: Report,
) -> None:
    table = mixed.markdown.split("### Where the bits go, by channel\n\n")[1].split("\n\n")[0].splitlines()
    assert table[0].startswith("| Variant | channel 1 | channel 2, given channel 1 | channel 3, given ")
    bits = [20.3 * share / (49 * math.log(2)) for share in (0.5, 0.25, 0.15, 0.1)]
    cells = [f"{b:.3f} ({share} %)" for b, share in zip(bits, (50, 25, 15, 10), strict=True)]
    row = f"| plain | {' | '.join(cells)} | {20.3 / (196 * math.log(2)):.3f} |"
    assert table[2:] == [row], "a seed of the other variant does not say it"
    assert f'">{bits[0]:.3f}<small class="below">50 %' in mixed.page


@pytest.mark.parametrize(
    ("spec", "dims", "said"),
    [
        (DatasetSpec("a", image_size=14), 196, "one for each pixel: 14·14 = 196"),
        (DatasetSpec("a", (6, 10), channels=4), 240, "one for each channel of each pixel: 4·6·10 = 240"),
        (DatasetSpec("a"), 784, "one for each pixel: 784"),
        (DatasetSpec("a", 8, channels=3), None, "one for each channel of each pixel"),
    ],
)
def test_what_a_dimension_is(mixed: Report, spec: DatasetSpec, dims: int | None, said: str) -> None:
    assert dims_words(spec, dims) == said
    assert "dims one for each pixel: 14·14 = 196" in mixed.page and "per dimension." in mixed.markdown


def test_only_finished_runs_of_the_present_config_enter_a_mean(mixed: Report) -> None:
    told = mixed.variants.loc["told"]
    assert (told["n"], told["expected"]) == (2, 3)  # the outdated run, with its NLL of 1, does not count
    assert pd.isna(mixed.runs.loc[("told", 2), "nll"])
    assert "2 of 3" in mixed.page


def test_every_expected_run_is_a_row_with_its_status(mixed: Report) -> None:
    status = mixed.runs["status"]
    assert len(status) == 15
    assert [status["broken", seed] for seed in range(3)] == ["failed", "running", "damaged"]
    assert status["told", 2] == "outdated"
    assert list(status["absent"]) == ["missing"] * 3
    assert (status == "finished").sum() == 8
    assert mixed.runs.loc[("plain", 1), "nll"] == 20.2
    assert mixed.runs.loc[("plain", 1), "parameters"] == mixed.variants.loc["plain", "parameters"]


def test_one_seed_is_a_mean_without_an_interval(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[4], variants={"a": {"model": "a"}, "b": {"model": "b"}})
    made_up.write_run(made, made.run("digits", "a", 4), nll=21.0)
    row = report_of(made).variants.loc["a"]
    assert (row["nll_mean"], row["n"]) == (21.0, 1)
    assert pd.isna(row["nll_sd"]) and pd.isna(row["nll_low"])


def test_two_datasets_are_ranked_apart(tmp_path: Path) -> None:
    made = made_up.benchmark(
        tmp_path,
        seeds=[0],
        datasets={"one": {"source": "digits", "levels": 2}, "two": {"source": "digits", "levels": 16}},
        variants={"a": {"model": "a"}, "b": {"model": "b"}},
    )
    for dataset, variant, nll in (("one", "a", 1.0), ("one", "b", 2.0), ("two", "a", 9.0), ("two", "b", 8.0)):
        made_up.write_run(made, made.run(dataset, variant, 0), nll=nll)
    report = report_of(made)
    table = pd.read_csv(report.folder / "comparison.csv")
    assert [*zip(table["dataset"], table["variant"], table["rank"], strict=True)] == [
        ("one", "a", 1),
        ("one", "b", 2),
        ("two", "b", 1),
        ("two", "a", 2),
    ]
    assert '<section id="data-one">' in report.page and '<section id="data-two">' in report.page


def test_every_pair_of_variants_is_compared_over_seeds_and_apart_from_that_over_images(whole: Report) -> None:
    pairs = pd.read_csv(whole.folder / "pairs.csv")
    networks = pairs["second"] != "independent"
    assert len(pairs) == 15 and pairs.blocked[networks].all(), "equal seeds see the data in the same order"
    assert set(pairs.form[~networks]) == {"baseline"} and pairs.form[networks].nunique() == 1
    nll = whole.variants.comparable_nll_mean
    assert np.allclose(pairs.difference, nll[pairs["first"]].values - nll[pairs["second"]].values)
    assert pairs.p.between(0, 1).all() and pairs.images.eq(60).all() and pairs.look.eq(1).all()
    assert (pairs.low < pairs.plain_low).all() and (pairs.high > pairs.plain_high).all()
    assert {"better", "undecided"} == set(pairs.verdict), "the planted differences are found, noise is not"
    assert "Row better than column by" in whole.page and "On other test images" in whole.page
    assert (pairs.new_images_low <= pairs.low).all() and (pairs.new_images_high >= pairs.high).all()


def test_the_first_screen_has_sentences_of_the_numbers(whole: Report) -> None:
    first = whole.page[: whole.page.index("Results by variant")]
    best = whole.variants.sort_values("rank").iloc[0]
    last = whole.variants.sort_values("rank").iloc[-1]
    assert last.behind == pytest.approx(last.comparable_nll_mean - best.comparable_nll_mean)
    assert (last.best_rank, last.worst_rank, whole.variants.worst_rank["gated"]) == (6, 6, 4)
    assert '<small class="below">3–4</small>' in whole.page
    assert f"{best.name} has the lowest NLL, {best.comparable_nll_mean:.2f}" in first
    assert (
        "<p>Of 15 pairs of variants 14 differ and 1 is undecided (gated against gated-conditional).</p>"
        in first
    )


def test_gaps_and_costs_are_those_of_analysis_and_measurement(whole: Report) -> None:
    row = whole.runs.loc[("gated", 1)]
    assert row.gap == pytest.approx(0.72) and row.agreement != row.agreement
    assert whole.runs.loc[("gated-conditional", 0)].agreement == pytest.approx(21 / 30)
    assert whole.variants.loc["gated", "gap_mean"] == pytest.approx(0.72)
    cost = json.loads(folder_of(whole.benchmark).cost("digits", "gated").read_text(encoding="utf-8"))
    assert f">{1e3 * gmean(cost['step_seconds']):.3g} ms<" in whole.page, "that of ratios of steps"
