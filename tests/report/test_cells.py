"""Numbers in the tables of the page, by their unit and digits."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import made_up
from pixelcnn.report.cells import Cell, cell, columns, explained
from pixelcnn.report.collect import collect
from pixelcnn.report.compare import VariantResult, rank
from pixelcnn.results.folder import folder_of
from pixelcnn.results.metric_table import RANKED_BY, metric


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, VariantResult]:
    variants = {"plain": {"model": "pixelcnn"}, "told": {"model": "pixelcnn", "conditional": True}}
    folder: Path = tmp_path_factory.mktemp("cells")
    made = made_up.benchmark(folder, variants=variants, seeds=[0, 1])
    record = {"parameters": 12345, "training_seconds": 90.0, "peak_memory_bytes": 3 * 2**29}
    for spec in made.runs():
        values = {"bits_per_dim": 0.5 + spec.seed / 100}
        made_up.write_run(made, spec, nll=20.0 + spec.seed, record_values=record, metrics_values=values)
    return {result.name: result for result in rank(collect(folder_of(made).path).datasets[0])}


@pytest.mark.parametrize(
    ("variant", "key", "shown", "below"),
    [
        ("plain", RANKED_BY, "20.50 ± 0.71", "[14.15, 26.85]"),
        ("told", RANKED_BY, "20.90 ± 0.71", "[14.55, 27.25]"),
        ("told", "nll", "20.50 ± 0.71", "[14.15, 26.85]"),
        ("plain", "comparable_bits_per_dim", "0.5050", "± 0.0071"),
        ("told", "accuracy", "95.8 ± 0.1 %", None),
        ("plain", "parameters", "12\u202f345", None),
        ("plain", "training_seconds", "1 min 30 s", None),
        ("plain", "peak_memory_bytes", "1.50 GiB", None),
    ],
)
def test_a_number_is_shown_by_its_unit(
    results: dict[str, VariantResult], variant: str, key: str, shown: str, below: str | None
) -> None:
    found = cell(metric(key), results[variant])
    assert (found.shown, found.below) == (shown, below)


def test_in_one_line_long_numbers_keep_their_spread(results: dict[str, VariantResult]) -> None:
    assert cell(metric("comparable_bits_per_dim"), results["plain"]).line == "0.5050 ± 0.0071"


def test_what_only_a_label_gives_is_empty_without_one(results: dict[str, VariantResult]) -> None:
    assert cell(metric("nll"), results["plain"]) == cell(metric("accuracy"), results["plain"]) == Cell()
    with_label = {m.key for m in columns("results")} - {m.key for m in columns("results", conditional=False)}
    assert with_label == {"nll", "accuracy"}


def test_a_heading_says_which_way_is_better() -> None:
    assert explained(metric("accuracy")).endswith("mean over seeds. Higher is better")
    assert explained(metric("parameters")) == "How many trainable numbers the network has"
