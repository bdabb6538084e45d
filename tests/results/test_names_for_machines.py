"""The names of columns and of MLflow's metrics, which scripts of others rely on."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.reports import report_of

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.tracking.report_view import read_report
from pixelcnn.tracking.view import read_view

METRICS = """
dataset variant model conditional seed status detail
nll bits_per_dim perplexity marginal_nll marginal_bits_per_dim marginal_perplexity accuracy
images dims levels split data_sha256 comparable_nll evaluation_seconds
gap end_gap effective_pixels effective_radius reach_pixels agreement sample_distance test_distance
paid_bits_per_dim
parameters training_seconds wall_seconds images_per_second peak_memory_bytes epochs best_epoch best_valid_nll
stopped_early device threads precision host commit code resumes run_id started ended
stale digest expected_digest
"""
COMPARISON = (
    "dataset variant model conditional rank n expected parameters commits stale mixture_nll mixture_n "
    "paid_bits_per_dim best_rank worst_rank behind behind_low behind_high behind_p "
    "truth_nll excess excess_low excess_high"
)
#: Each with _mean, _sd, _low, _high and _n.
COMPARED = """
comparable_nll comparable_bits_per_dim comparable_perplexity
nll bits_per_dim perplexity marginal_nll marginal_bits_per_dim marginal_perplexity accuracy
training_seconds wall_seconds images_per_second peak_memory_bytes best_epoch epochs
gap end_gap effective_pixels effective_radius reach_pixels agreement sample_distance test_distance
"""
PAIRS = """
dataset first second difference low high plain_low plain_high p verdict sign stepwise margin form
blocked error freedom n_first n_second look beats
new_images_error new_images_low new_images_high new_images_plain_low new_images_plain_high
new_images_seeds_share images_mean images_error images_low images_high images_better images
"""
FINDINGS = """
dataset claim question subject against verdict measure unit value other_value
effect effect_unit low high p n_subject n_against sentence
"""
TRACKED = """
parameters epochs best_epoch best_valid_nll images_seen training_seconds wall_seconds
mean_images_per_second peak_memory_bytes
comparable_nll comparable_bits_per_dim comparable_perplexity nll bits_per_dim perplexity
marginal_nll marginal_bits_per_dim marginal_perplexity accuracy images evaluation_seconds
selected_train_nll selected_valid_nll earlier_pixels reach_pixels effective_pixels effective_radius
sample_distance test_distance agreement classifier_accuracy analysis_seconds paid_bits_per_dim
"""
TRACKED_BY_EPOCH = "gradient_norm images_per_second learning_rate train_nll valid_nll"
TRACKED_OF_VARIANTS = """
rank n behind comparable_nll_mean comparable_nll_sd comparable_nll_low comparable_nll_high
comparable_bits_per_dim_mean comparable_perplexity_mean accuracy_mean training_seconds_mean
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """A benchmark in which every number is there."""
    variants = {"told": {"model": "pixelcnn", "conditional": True}}
    made = made_up.benchmark(tmp_path_factory.mktemp("whole"), variants=variants, seeds=[0, 1])
    made_up.write_all(made)
    report_of(made)
    return made


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("metrics.csv", METRICS.split()),
        (
            "comparison.csv",
            COMPARISON.split()
            + [f"{key}_{part}" for key in COMPARED.split() for part in ("mean", "sd", "low", "high", "n")],
        ),
        ("pairs.csv", PAIRS.split()),
        ("findings.csv", FINDINGS.split()),
    ],
)
def test_columns(made: Benchmark, file: str, expected: list[str]) -> None:
    with (folder_of(made).path / "report" / file).open(newline="", encoding="utf-8") as stream:
        found = next(csv.reader(stream))
    assert sorted(found) == sorted(expected) and len(set(found)) == len(found)


def test_metrics_in_mlflow(made: Benchmark) -> None:
    spec = made.runs()[0]
    config = folder_of(made).path / "config.json"
    view = read_view(RunFolder(folder_of(made).run_of(spec).path), spec, made, config)
    report = read_report(folder_of(made).path, made, "origin")
    assert view is not None and report is not None
    by_epoch = {point.key for points in view.series.values() for point in points}
    assert sorted(point.key for point in view.finals) == sorted(TRACKED.split())
    assert by_epoch == set(TRACKED_BY_EPOCH.split())
    assert {point.key for point in report.finals} == {f"{key}/told" for key in TRACKED_OF_VARIANTS.split()}
    assert not by_epoch & set(TRACKED.split()), "a number and a series of one name would be one metric there"


def test_columns_do_not_come_and_go_with_the_variants(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={"plain": {"model": "pixelcnn"}}, seeds=[0])
    made_up.write_all(made)
    report_of(made)
    with (folder_of(made).path / "report" / "metrics.csv").open(newline="", encoding="utf-8") as stream:
        assert sorted(next(csv.reader(stream))) == sorted(METRICS.split())
    spec = made.runs()[0]
    view = read_view(
        RunFolder(folder_of(made).run_of(spec).path), spec, made, folder_of(made).path / "config.json"
    )
    assert view is not None
    lacking = set(TRACKED.split()) - {point.key for point in view.finals}
    assert lacking == {
        "marginal_nll",
        "marginal_bits_per_dim",
        "marginal_perplexity",
        "accuracy",
        "agreement",
    }
