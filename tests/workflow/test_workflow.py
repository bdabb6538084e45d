"""A toy benchmark through the real Snakemake to a real report."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd
from support.snakemake import OF_A_RUN, ROOT, mlflow_statuses, planned_jobs, snakemake
from support.toy import SMALL, toy

from pixelcnn.results.records import RunFolder


def test_a_toy_benchmark_to_its_report_twice(tmp_path):
    toy(tmp_path)
    first = snakemake(tmp_path, "report")
    assert first.returncode == 0, first.stderr
    results = tmp_path / "results" / "toy"
    page = (results / "report" / "index.html").read_text()
    assert "base" in page and "cond" in page
    metrics = pd.read_csv(results / "report" / "metrics.csv")
    assert len(metrics) == 4 and set(metrics.status) == {"finished"} and metrics.nll.notna().all()
    assert mlflow_statuses(tmp_path) == dict.fromkeys(["base/0", "base/1", "cond/0", "cond/1"], "FINISHED")
    for name in ("train-toy-base-seed0", "report", "plan", "prepare-toy", "track", "classify-toy"):
        assert (results / "logs" / f"{name}.log").exists()
    for run in ("base/seed0", "base/seed1", "cond/seed0", "cond/seed1"):
        analysis = RunFolder(results / "toy" / run).analysis()
        assert analysis is not None and (analysis.agreement is not None) == run.startswith("cond")
    for variant in ("base", "cond"):
        cost = json.loads((results / "toy" / variant / "cost.json").read_text())
        assert cost["threads"] == 1, "alone on two cores, with the threads of a training"
    # What runs alone holds every core and so comes when nothing else is left to do.
    started = [line.split()[-1].strip(":") for line in first.stderr.splitlines() if "rule " in line]
    assert started.index("measure") > max(i for i, rule in enumerate(started) if rule == "train")

    second = snakemake(tmp_path, "report")
    assert second.returncode == 0 and "Nothing to be done" in second.stdout + second.stderr

    # Snakemake's own kind of report has the page and its figures, with captions.
    own = snakemake(tmp_path, "report", "--report", str(tmp_path / "own.html"))
    assert own.returncode == 0, own.stderr
    text = (tmp_path / "own.html").read_text()
    assert "toy.nll.svg" in text and "the mean over seeds (bar) and its 95 % t-interval" in text

    # Results that are brought to another machine are taken for what they are.
    home = tmp_path / "home"
    home.mkdir()
    brought = [str(tmp_path / name) for name in ("results", "toy_data.py", "toy.yaml")]
    subprocess.run(["cp", "-a", *brought, str(home)], check=True)
    there = snakemake(home, "report", "-n")
    assert there.returncode == 0 and "Nothing to be done" in there.stdout + there.stderr

    # An edit runs what it affects and nothing else.
    def runs(n: int, **others: int) -> dict[str, int]:
        return dict.fromkeys(OF_A_RUN, n) | others

    base, cond = (
        {"base": {"model": "pixelcnn", "hyperparameters": SMALL}},
        {"cond": {"model": "gated", "conditional": True, "hyperparameters": SMALL}},
    )
    all_anew = runs(4, prepare=1, classify=1, measure=2)
    slower = {"cond": {**cond["cond"], "training": {"learning_rate": 0.001}}}
    for edit, jobs in (
        ({"title": "A new title"}, {}),
        ({"seeds": [0, 1, 2]}, runs(2)),
        ({"variants": base | slower}, runs(2, measure=1)),
        ({"sampling": {"images": 3}}, {"sample": 4, "analyse": 4}),
        ({"analysis": {"images": 20}}, {"analyse": 4}),
        ({"analysis": {"samples": 20}}, {"analyse": 2}),  # only conditional runs have samples judged
        ({"threads": 2}, {"measure": 2}),
        ({"tracking": {"pictures": 0}}, {}),
        ({"datasets": {"toy": {"source": "toy_data.py", "levels": 3}}}, all_anew),
    ):
        toy(tmp_path, **edit)
        expected = {"plan": 1, **jobs, "report": 1}
        assert planned_jobs(tmp_path, "report") == expected | {"total": sum(expected.values())}, edit
    toy(tmp_path)
    (tmp_path / "toy_data.py").write_text((tmp_path / "toy_data.py").read_text() + "# edited\n")
    assert planned_jobs(tmp_path, "report") == all_anew | {"plan": 1, "report": 1, "total": 22}

    # And it does so at once: the first command after an edit, not the second.
    toy(tmp_path, variants=base | slower, seeds=[0])
    assert snakemake(tmp_path, "report").returncode == 0
    trained = RunFolder(results / "toy" / "cond" / "seed0").spec()
    assert trained is not None and trained.training.learning_rate == 0.001


def test_a_failing_run_leaves_a_partial_report_and_a_status_that_is_not_zero(tmp_path):
    bad = {"epochs": 1, "learning_rate": 1e25, "gradient_clip": 1e30, "warmup_steps": 0}
    variants = {
        "good": {"model": "independent"},
        "bad": {"model": "pixelcnn", "hyperparameters": SMALL, "training": bad},
    }
    toy(tmp_path, variants=variants, seeds=[0])
    done = snakemake(tmp_path, "report")
    assert done.returncode != 0
    results = tmp_path / "results" / "toy"
    metrics = pd.read_csv(results / "report" / "metrics.csv").set_index("variant")
    assert metrics.status.to_dict() == {"good": "finished", "bad": "failed"}
    assert "NaN or infinite" in (results / "report" / "index.html").read_text()
    assert "NaN or infinite" in (results / "logs" / "train-toy-bad-seed0.log").read_text()
    assert mlflow_statuses(tmp_path) == {"good/0": "FINISHED", "bad/0": "FAILED"}
    for name in ("good/seed0/analysis.json", "good/cost.json"):
        assert (results / "toy" / name).exists(), "what did not fail is there with all that belongs to it"
    # The partial report does not count as the report: the same command tries what is missing again.
    for target in ("report", "all"):
        assert planned_jobs(tmp_path, target) == dict.fromkeys((*OF_A_RUN, "measure", "report"), 1) | (
            {"all": 1, "total": 7} if target == "all" else {"total": 6}
        )


def test_runs_packed_into_jobs_end_in_the_same_report_and_are_not_done_again(tmp_path):
    toy(tmp_path, seeds=[0], jobs={"runs_per_job": 2})
    done = snakemake(tmp_path, "report")
    assert done.returncode == 0, done.stderr
    results = tmp_path / "results" / "toy"
    metrics = pd.read_csv(results / "report" / "metrics.csv")
    assert sorted(metrics.variant) == ["base", "cond"] and set(metrics.status) == {"finished"}
    assert (results / "logs" / "train-toy-base-seed0.log").exists(), "each run has its own log"
    assert mlflow_statuses(tmp_path) == {"base/0": "FINISHED", "cond/0": "FINISHED"}
    for name in ("base/seed0/analysis.json", "cond/seed0/analysis.json", "base/cost.json", "cond/cost.json"):
        assert (results / "toy" / name).exists()
    assert "Nothing to be done" in (again := snakemake(tmp_path, "report")).stdout + again.stderr
    # Another sampling is drawn inside the pack, and nothing is trained for it.
    edited = {"jobs": {"runs_per_job": 2}, "sampling": {"images": 3, "completions": 1}}
    base = results / "toy" / "base" / "seed0"
    trained = (base / "checkpoint.pt").stat().st_mtime_ns
    toy(tmp_path, seeds=[0], **edited)
    assert planned_jobs(tmp_path, "report") == {"plan": 1, "pack": 1, "report": 1, "total": 3}
    assert snakemake(tmp_path, "report").returncode == 0
    with np.load(base / "samples.npz") as samples:
        assert len(samples["images"]) == 3
    assert (base / "checkpoint.pt").stat().st_mtime_ns == trained
    # What would not reach the runs inside a pack is refused.
    forced = snakemake(tmp_path, "report", "--forcerun", "train")
    assert forced.returncode != 0 and "jobs={runs_per_job: 1}" in forced.stderr + forced.stdout
    # Without packs nothing is done again, unless it is forced.
    toy(tmp_path, seeds=[0], sampling=edited["sampling"])
    assert planned_jobs(tmp_path, "report") == {"plan": 1, "report": 1, "total": 2}
    all_anew = dict.fromkeys(OF_A_RUN, 2) | {"plan": 1, "measure": 2, "report": 1, "total": 12}
    assert planned_jobs(tmp_path, "report", "--forcerun", "train") == all_anew


def test_a_bad_config_stops_before_anything_runs(tmp_path):
    toy(tmp_path, trainig={})
    done = snakemake(tmp_path, "report")
    assert done.returncode != 0
    assert "trainig: unknown key; did you mean 'training'" in done.stderr + done.stdout
    toy(tmp_path, variants={"base": {"model": "pixelcnn", "hyperparameters": {"chanels": 1}}})
    done = snakemake(tmp_path, "report")
    assert done.returncode != 0
    assert "did you mean 'channels'" in done.stderr + done.stdout, "the user sees it without opening a log"
    assert not (tmp_path / "results/toy/toy").exists(), "nothing was prepared or trained"


def test_the_ready_benchmarks_can_be_planned(tmp_path):
    from pixelcnn.scheduling.planning import check_benchmark, load_resolved

    for path in [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))]:
        sizes = check_benchmark(benchmark := load_resolved(path))
        counts = {variant: size.parameters for (_, variant), size in sizes.items()}
        networks = [n for variant, n in counts.items() if benchmark.variants[variant].model != "independent"]
        if path.stem != "preview":
            assert max(networks) / min(networks) <= 1.05, f"{path}: the networks are not matched: {counts}"
