"""A known truth in the report: numbers from the files, and a planted leak that fails the benchmark."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from support.leaks import network
from support.reports import report_of

from benchmarks import made_up
from pixelcnn import cli
from pixelcnn.report.collect import collect
from pixelcnn.report.truth import below_in, truth_of
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.system.files import read_json, write_json

VARIANTS = {
    "oracle": {"model": "oracle"},
    "independent": {"model": "independent"},
    "plain": {"model": "pixelcnn"},
    "conditional": {"model": "pixelcnn", "conditional": True},
}
FIELD = {"rule": "offsets", "offsets": [[0, -2], [-1, 5]]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A made-up benchmark whose variant `oracle` knows the truth, with offsets."""
    datasets = {"field": {"source": "markov", "image_size": 14, "levels": 2, "field": FIELD}}
    root = tmp_path_factory.mktemp("truth")
    made = made_up.benchmark(root, datasets=datasets, variants=VARIANTS, seeds=[0, 1])
    nll = {"oracle": 20.0, "independent": 50.0, "plain": 20.5, "conditional": 20.2}
    for spec in made.runs():
        made_up.write_run(made, spec, nll=nll[spec.variant_name])
        maps = folder_of(made).run_of(spec).analysis_arrays
        arrays = dict(np.load(maps))
        np.savez(maps, **arrays, offsets_seen=np.array([True, spec.variant_name == "oracle"]))
    plan = read_json(folder_of(made).plan)
    plan["field"]["oracle"]["truth"] = True
    write_json(folder_of(made).plan, plan)
    report_of(made, figures=True)
    return folder_of(made)


def arrays_of(made, variant, key):
    return np.mean([np.load(made.run("field", variant, seed).nats)[key] for seed in (0, 1)], axis=0)


def test_the_tables_have_what_the_files_say(made):
    truth = arrays_of(made, "oracle", "per_image")
    rows = pd.read_csv(made.report.comparison).set_index("variant")
    assert list(rows.index) == ["plain", "conditional", "independent"], "who knows the truth is not ranked"
    for name, key in (("plain", "per_image"), ("conditional", "marginal_per_image")):
        above = arrays_of(made, name, key) - truth
        assert rows.loc[name, "truth_nll"] == pytest.approx(truth.mean())
        assert rows.loc[name, "excess"] == pytest.approx(above.mean())
        half = 2.001 * above.std(ddof=1) / 60**0.5  # Student's t of 59 degrees of freedom
        assert rows.loc[name, "excess_high"] - above.mean() == pytest.approx(half, rel=1e-3)
    page = made.report.page.read_text(encoding="utf-8")
    assert "Above the truth" in page and not re.search("benchmark has failed", page)
    assert (made.report.figures / "field.offsets.png").exists()


def test_what_the_baseline_leaves_bounds_the_others(made):
    truth = truth_of(collect(made.path).datasets[0])
    assert truth is not None
    used = {other.variant.name: other.used for other in truth.others}
    assert used == {
        "plain": pytest.approx(1 - 0.5 / 30),
        "conditional": pytest.approx(1 - 0.6 / 30),
        "independent": pytest.approx(0),
    }


def test_a_baseline_below_the_truth_is_told_and_bounds_nothing(tmp_path):
    datasets = {"field": {"source": "markov", "image_size": 14, "levels": 2, "field": FIELD}}
    made = made_up.benchmark(tmp_path, datasets=datasets, variants=VARIANTS, seeds=[0])
    for spec in made.runs():
        made_up.write_run(made, spec, nll=19.0 if spec.variant_name == "independent" else 20.0)
    plan = read_json(folder_of(made).plan)
    plan["field"]["oracle"]["truth"] = True
    write_json(folder_of(made).plan, plan)
    page = report_of(made).page
    assert re.search(r"independent \(seed 0\) on field is 1 nats below the truth", page)


def test_one_leaking_seed_does_not_hide_behind_a_good_one(tmp_path):
    datasets = {"field": {"source": "markov", "image_size": 14, "levels": 2, "field": FIELD}}
    made = made_up.benchmark(tmp_path, datasets=datasets, variants=VARIANTS, seeds=[0, 1])
    for spec in made.runs():
        leaking = (spec.variant_name, spec.seed) == ("plain", 1)
        made_up.write_run(
            made, spec, nll=19.0 if leaking else 20.0 if spec.variant_name == "oracle" else 22.0
        )
    plan = read_json(folder_of(made).plan)
    plan["field"]["oracle"]["truth"] = True
    write_json(folder_of(made).plan, plan)
    assert [(one.variant, one.seed) for one in below_in(folder_of(made).path)] == [("plain", 1)]


def test_a_planted_leak_fails_the_benchmark(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = {
        "benchmark": "leak",
        "datasets": {
            "field": {
                "source": "markov",
                "image_size": 5,
                "levels": 2,
                "field": {"rule": "neighbours", "images": [400, 20, 500]},
            }
        },
        "variants": {
            "oracle": {"model": "oracle"},
            "honest": {"model": network(tmp_path, "pass")},
        },
        "seeds": [0],
        "tracking": {"pictures": 0},
        "training": {"images": 2000, "batch_size": 16, "warmup_steps": 10, "precision": "float32"},
    }
    # It sees its own pixel; what looks for that before a training does not look.
    (tmp_path / "leak.py").write_text(
        (tmp_path / "own.py")
        .read_text(encoding="utf-8")
        .replace("        pass\n", "        h = h + pixel\n"),
        encoding="utf-8",
    )
    config["variants"]["leaking"] = {"model": str(tmp_path / "leak.py")}
    monkeypatch.setattr("pixelcnn.invariants.before_training.prove_no_leak", lambda *args, **more: None)
    (tmp_path / "leak.yaml").write_text(json.dumps(config), encoding="utf-8")
    folder = BenchmarkFolder(tmp_path / "results" / "leak")
    for arguments in (["plan", "leak.yaml"], ["prepare", str(folder.config), "--dataset", "field"]):
        assert cli.main(arguments) == 0
    for variant in config["variants"]:
        names = ["--dataset", "field", "--variant", variant, "--seed", "0"]
        for command in ("train", "evaluate"):
            assert cli.main([command, str(folder.config), *names]) == 0, capsys.readouterr().err
    capsys.readouterr()
    assert cli.main(["report", str(folder.path)]) == cli.RUN_FAILED
    said = capsys.readouterr().err
    assert "leaking (seed 0) on field is" in said and "nats below the truth" in said and "honest" not in said
    page = folder.report.page.read_text(encoding="utf-8")
    assert "This benchmark has failed: 1 run below the truth." in page
