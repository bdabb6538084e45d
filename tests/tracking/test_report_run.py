"""The one run of a benchmark that holds the report."""

from __future__ import annotations

import csv

import pytest
from support.mlflow_runs import held, runs, values

from benchmarks.made_up import digits, write_run
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.images.grids import save_grid
from pixelcnn.report.tables import BEHIND
from pixelcnn.results.folder import folder_of
from pixelcnn.results.metric_table import METRICS
from pixelcnn.tracking import projection
from pixelcnn.tracking.layout import comparison_columns

pytest.importorskip("mlflow")


def write_report(made: Benchmark, **numbers: float | str) -> None:
    """What of a report MLflow takes, with one variant in the comparison."""
    folder = folder_of(made).path / "report"
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    save_grid(folder / "figures" / "digits.nll.png", digits(20)[0], 2)
    row = {"dataset": "digits", "variant": "gated", "commits": "abc", **numbers}
    with (folder / "comparison.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(row))
        table.writeheader()
        table.writerow(row)
    for name in ("metrics.csv", "report.md", "index.html"):
        (folder / name).write_text(f"{name} of {numbers}", encoding="utf-8")


def test_the_report_is_one_further_run_that_follows_it(made):
    for spec in made.runs():
        write_run(made, spec)
    assert "report" not in projection.project(folder_of(made).path).created
    write_report(made, rank=1, n=2, comparable_nll_mean=23.5, comparable_nll_sd=0.1, accuracy_mean="")
    assert projection.project(folder_of(made).path).created == ["report"]
    assert len(projection.project(folder_of(made).path).unchanged) == 3

    [report] = [run for run in held(made) if run["tags"]["kind"] == "report"]
    assert report["info"]["run_name"] == "Report and comparison" and report["info"]["status"] == "FINISHED"
    numbers = {"rank": 1.0, "n": 2.0, "comparable_nll_mean": 23.5, "comparable_nll_sd": 0.1}
    assert {key: values(report, key) for key in report["metrics"]} == {
        f"{key}/gated": [value] for key, value in numbers.items()
    }
    shown = {"index.html", "report.md", "metrics.csv", "comparison.csv", "figures", "preview.png"}
    assert set(report["files"]) == shown
    assert not {"variant", "dataset", "seed"} & set(report["tags"])

    # Another number is an update; a number that is gone makes another run, for MLflow forgets none.
    write_report(made, rank=1, n=2, comparable_nll_mean=23.6, comparable_nll_sd=0.1)
    assert projection.project(folder_of(made).path).updated == ["report"]
    [report] = [run for run in held(made) if run["tags"]["kind"] == "report"]
    assert values(report, "comparable_nll_mean/gated") == [23.5, 23.6]
    write_report(made, rank=1, n=1, comparable_nll_mean=23.6)
    summary = projection.project(folder_of(made).path)
    assert summary.created == summary.superseded == ["report"]
    [report] = [run for run in held(made) if run["tags"]["kind"] == "report"]
    assert "comparable_nll_sd/gated" not in report["metrics"] and values(report, "n/gated") == [1.0]
    assert len(runs(made)) == 2


def test_the_comparison_has_the_names_of_the_report():
    keys = [metric.key for metric in METRICS if metric.summarized]
    summaries = {f"{key}_{part}" for key in keys for part in ("mean", "sd", "low", "high")}
    assert set(comparison_columns()) <= summaries | {"rank", "n", *BEHIND}
