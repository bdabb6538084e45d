"""Numbers that floats cannot hold: whole in every file, or refused in a sentence."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from support.reports import report_of
from support.toy import toy

from benchmarks import made_up
from pixelcnn.cli import main
from pixelcnn.evaluation.units import LARGEST_PERPLEXITY
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.tracking.view import read_view

#: One more than the largest whole number up to which floats have all of them.
SEED = 2**53 + 1


@pytest.mark.parametrize("conditional", [False, True])
def test_an_nll_whose_perplexity_no_number_holds_fails_the_run(folder, capsys, conditional):
    variant = {"model": "independent", "conditional": conditional}
    toy(folder, variants={"flat": variant}, training={"epochs": 1}, seeds=[0])
    run = ["toy.yaml", "--variant", "flat", "--seed", "0"]
    assert [main(c) for c in (["prepare", "toy.yaml"], ["train", *run])] == [0, 0]
    place = RunFolder(folder / "results/toy/toy/flat/seed0")
    content = torch.load(place.checkpoint, weights_only=True)
    (weights,) = content["ema_weights"].values()
    weights.zero_()[:, 0] = 1e6  # sure that every pixel is black
    torch.save(content, place.checkpoint)
    capsys.readouterr()
    assert main(["evaluate", *run]) == 1
    error = capsys.readouterr().err
    assert "a perplexity above 1e+100" in error and error.count("\n") == 1
    record = place.record()
    assert record.status == "failed" and "a perplexity above 1e+100" in record.error
    assert not place.metrics_file.exists()


def test_the_worst_runs_that_are_no_failures_can_be_compared(tmp_path):
    """Squares and sums of their numbers are numbers."""
    worst = 0.999 * math.log(LARGEST_PERPLEXITY) * 196
    variants = {"bad": {"model": "pixelcnn"}, "worst": {"model": "gated"}}
    made = made_up.benchmark(tmp_path, seeds=[0, 1, 2], variants=variants)
    for spec in made.runs():
        made_up.write_run(made, spec, nll=worst - (1e4 * spec.seed if spec.variant_name == "bad" else 0))
    report = report_of(made)
    assert report.variants.loc["worst", "nll_mean"] == pytest.approx(worst)
    assert report.variants.loc["bad", "perplexity_sd"] > 1e90


def test_a_seed_beyond_the_whole_numbers_of_floats_is_the_same_everywhere(folder, capsys):
    path = toy(folder, seeds=[SEED, SEED + 1], training={"epochs": 1})
    run = ["toy.yaml", "--variant", "base", "--seed", str(SEED)]
    assert [main(c) for c in (["plan", "toy.yaml"], ["prepare", "toy.yaml"], ["train", *run])] == [0, 0, 0]
    assert str(SEED) in path.read_text(encoding="utf-8")
    assert json.loads(Path("results/toy/config.json").read_text(encoding="utf-8"))["seeds"] == [
        SEED,
        SEED + 1,
    ]
    place = RunFolder(Path(f"results/toy/toy/base/seed{SEED}"))
    assert place.spec().seed == SEED
    assert json.loads(place.spec_file.read_text(encoding="utf-8"))["seed"] == SEED
    assert main(["sample", *run]) == 0
    assert main(["evaluate", "results/toy/config.json", *run[1:]]) == 0
    assert main(["evaluate", *run[:-1], str(SEED - 1)]) == 2


def test_so_it_is_in_the_tables_the_page_and_mlflow(tmp_path):
    made = made_up.benchmark(tmp_path, seeds=[SEED, SEED + 1], variants={"plain": {"model": "pixelcnn"}})
    for spec in made.runs():
        made_up.write_run(made, spec)
    report = report_of(made)
    with (report.folder / "metrics.csv").open(encoding="utf-8") as stream:
        assert [row["seed"] for row in csv.DictReader(stream)] == [str(SEED), str(SEED + 1)]
    for text in (report.page, report.markdown):
        assert str(SEED) in text and str(SEED - 1) not in text
    spec = made.runs()[0]
    place = folder_of(made)
    view = read_view(place.run_of(spec), spec, made, place.config)
    assert view.params["seed"] == view.tags["seed"] == str(SEED)
