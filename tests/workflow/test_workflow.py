"""A toy benchmark through the real Snakemake: to its report, after edits, after failures, in packs."""

from __future__ import annotations

import os
import shutil
from base64 import urlsafe_b64encode

import numpy as np
import pandas as pd
import pytest
from support.finished import COND, RESULTS
from support.snakemake import OF_A_RUN, mlflow_statuses, planned_jobs, snakemake
from support.toy import toy

from pixelcnn.scheduling.gpus import torch_uses_gpus
from pixelcnn.scheduling.hooks import NO_FORK_SERVER
from pixelcnn.system import forked
from pixelcnn.system.files import read_json

UNTRACKED = {"tracking": {"enabled": False}}

pytestmark = pytest.mark.slow


def test_a_toy_benchmark_to_its_report(finished):
    results, said = finished.results, finished.said
    assert "cond" in results.report.page.read_text(encoding="utf-8")
    metrics = pd.read_csv(results.report.metrics)
    assert len(metrics) == 1 and set(metrics.status) == {"finished"} and metrics.nll.notna().all()
    assert mlflow_statuses(finished.folder, results=RESULTS) == {"cond/0": "FINISHED"}
    for name in ("train/toy/cond/seed0", "report", "plan", "prepare/toy", "track", "classify/toy"):
        assert results.log(name).exists()
    analysis = results.run("toy", "cond", 0).analysis()
    assert analysis is not None and analysis.agreement is not None
    cost = read_json(results.cost("toy", "cond"))
    assert cost["threads"] == 1, "alone on two cores, with the threads of a training"
    shown = said.stderr.splitlines()
    (measured,) = [i for i, line in enumerate(shown) if "rule measure:" in line]
    assert "threads: 2" in map(str.strip, shown[measured : measured + 12])


def test_a_job_takes_a_place_of_those_that_the_gpus_here_have(copied):
    copied.plan(**UNTRACKED)
    # Two, as far as Snakemake is told, with three places each; none to a torch that is built for none.
    two = {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b", forked.ADDRESS: NO_FORK_SERVER}
    planned = snakemake(copied.folder, "report", "-n", "--forcerun", "train", **two).stdout.splitlines()
    assert {line.split("gpu=")[1][0] for line in planned if ", gpu=" in line} == {str(int(torch_uses_gpus()))}
    data = str(copied.results.dataset("toy").data.relative_to(copied.folder))
    said = snakemake(copied.folder, data, "--force", **two).stderr.splitlines()
    provided = any(line.startswith("Provided resources:") and '"gpu", 6' in line for line in said)
    assert provided == torch_uses_gpus(), said


def test_results_are_taken_for_what_they_are_however_they_were_copied(finished, tmp_path):
    # Brought to another machine without their times and without what Snakemake noted of them.
    home = tmp_path / "home"
    shutil.copytree(finished.folder, home, ignore=lambda _, names: {".snakemake"} & set(names))
    for newer, path in enumerate(sorted(path for path in home.rglob("*") if path.is_file())):
        os.utime(path, (1e9 + newer, 1e9 + newer))
    config = finished.results.config.relative_to(finished.folder)
    os.utime(home / config, (2e9, 2e9))
    # As a job that was killed leaves it: nothing was written, for outputs appear whole.
    (marks := home / ".snakemake" / "incomplete").mkdir(parents=True)
    checkpoint = finished.results.run("toy", "cond", 0).checkpoint.relative_to(finished.folder)
    (marks / urlsafe_b64encode(str(checkpoint).encode()).decode()).touch()
    done = snakemake(home, "report")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr
    # What is missing is made, and of what is there only what is made of it. The report sees the new record.
    run = finished.results.run("toy", "cond", 0)
    (home / run.analysis_file.relative_to(finished.folder)).unlink()
    assert planned_jobs(home, "report") == {"analyse": 1, "report": 1, "total": 2}
    # Snakemake's own kind of report has the page and its figures, with captions.
    own = snakemake(finished.folder, "report", "--report", str(tmp_path / "own.html"))
    assert own.returncode == 0, own.stderr
    text = (tmp_path / "own.html").read_text(encoding="utf-8")
    assert "toy.nll.svg" in text and "the mean over seeds (bar) and its 95 % t-interval" in text


def test_an_edit_runs_what_it_affects(copied):
    # Which jobs each edit affects, tests/scheduling/test_freshness.py asks one by one.
    copied.edit(sampling={"images": 3, "completions": 1}, **UNTRACKED)
    affected = {"plan": 1, "sample": 1, "analyse": 1, "report": 1, "total": 4}
    assert planned_jobs(copied.folder, "report") == affected


def test_a_failing_run_leaves_a_partial_report_and_a_status_that_is_not_zero(copied):
    bad = {"epochs": 1, "learning_rate": 1e25, "gradient_clip": 1e30, "warmup_steps": 0}
    variants = {"good": COND, "bad": {**COND, "training": bad}}
    copied.edit(variants=variants, analysis={"images": 5, "samples": 8}, **UNTRACKED)
    results = copied.results
    good = results.run("toy", "good", 0)
    shutil.move(results.run("toy", "cond", 0).path.parent, good.path.parent)
    before = good.checkpoint.stat().st_mtime_ns
    # One job at a time: trainings come first, so that this one fails before the other job begins.
    done = snakemake(copied.folder, "report", cores=1)
    assert done.returncode != 0
    analysis = good.analysis()
    assert analysis is not None and analysis.settings["images"] == 5, (
        "the first command after an edit does it"
    )
    assert good.checkpoint.stat().st_mtime_ns == before
    metrics = pd.read_csv(results.report.metrics).set_index("variant")
    assert metrics.status.to_dict() == {"good": "finished", "bad": "failed"}
    assert "NaN or infinite" in results.report.page.read_text(encoding="utf-8")
    assert "NaN or infinite" in results.log("train", "toy", "bad", "seed0").read_text(encoding="utf-8")
    # The partial report does not count as the report: the same command tries what is missing again.
    missing = dict.fromkeys((*OF_A_RUN, "measure", "report", "all"), 1) | {"total": 7}
    assert planned_jobs(copied.folder, "all") == missing


def test_runs_packed_into_jobs_go_on_inside_and_are_not_done_again(copied):
    others = {"sampling": {"images": 3, "completions": 1}, "seeds": [0, 1], **UNTRACKED}
    results = copied.results
    done, added = (results.run("toy", "cond", seed) for seed in (0, 1))
    before = done.checkpoint.stat().st_mtime_ns
    # The new run is trained inside the pack. Of the other one only samples are drawn anew.
    copied.plan(jobs={"runs_per_job": 2}, **others)
    mark = str(results.pack(0).relative_to(copied.folder))
    packing = snakemake(copied.folder, mark)
    assert packing.returncode == 0, packing.stdout + packing.stderr
    for run in (done, added):
        with np.load(run.samples) as samples:
            assert len(samples["images"]) == 3
        assert run.metrics() is not None and run.analysis() is not None
    assert done.checkpoint.stat().st_mtime_ns == before
    assert results.log("train", "toy", "cond", "seed1").exists(), "each run has its own log"
    assert "Nothing to be done" in (again := snakemake(copied.folder, mark)).stdout + again.stderr
    # What would not reach the runs inside a pack is refused.
    for forcing in (["--forcerun", "train"], ["--forceall"]):
        forced = snakemake(copied.folder, mark, "-n", *forcing)
        assert forced.returncode != 0 and "jobs={runs_per_job: 1}" in forced.stderr + forced.stdout
    # Seeds that train together: the job of one takes the other along.
    copied.plan(jobs={"seeds_per_job": 2}, **{**others, "seeds": [0, 1, 2, 3]})
    one = str(results.run("toy", "cond", 3).checkpoint.relative_to(copied.folder))
    assert "--with 2" in (planned := snakemake(copied.folder, one, "-n", "-p")).stdout, planned.stderr
    # Without packs nothing is done again, unless it is forced.
    copied.plan(**others)
    assert planned_jobs(copied.folder, "report") == {"report": 1, "total": 1}
    anew = dict.fromkeys(OF_A_RUN, 2) | {"measure": 1, "report": 1, "total": 10}
    assert planned_jobs(copied.folder, "report", "--forcerun", "train") == anew


def test_what_is_trained_anew_replaces_what_is_there_only_once_it_is_there_itself(copied):
    run = copied.results.run("toy", "cond", 0)
    before = {path: path.read_bytes() for path in (*run.results, run.record_file, run.history_file)}
    # An edit that was planned, and nothing else: what it means is not forgotten.
    training = {
        "epochs": 2,
        "batch_size": 16,
        "warmup_steps": 2,
        "learning_rate": 1e25,
        "gradient_clip": 1e30,
    }
    copied.edit(training=training, **UNTRACKED)
    left = copied.folder / ".snakemake" / "backups" / run.checkpoint.relative_to(copied.folder)
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("of a Snakemake that was killed", encoding="utf-8")
    planned = snakemake(copied.folder, "plan")
    assert not left.exists(), "it would take the place of a result that a failed job has not touched"
    assert planned.returncode == 0 and "Report:" not in planned.stdout + planned.stderr
    anew = dict.fromkeys((*OF_A_RUN, "measure", "report"), 1) | {"total": 6}
    # What a command line says of resources is beside what a training needs on a cluster.
    resources = ("--default-resources", "slurm_account=me", "slurm_extra='--qos=fast'")
    shown = snakemake(copied.folder, "report", "-n", *resources).stdout
    assert shown.count("--qos=fast --signal=TERM@60") == 1
    assert planned_jobs(copied.folder, "report") == anew
    assert snakemake(copied.folder, "report").returncode != 0
    assert run.attempt.record().status == "failed"
    assert {path: path.read_bytes() for path in before} == before
    metrics = pd.read_csv(copied.results.report.metrics)
    assert set(metrics.status) == {"failed"}, "and the report does not take the one for the other"
    # Nothing is done again once the config is as it was, but the report, of which there is a partial one.
    copied.edit(**UNTRACKED)
    assert planned_jobs(copied.folder, "report") == {"plan": 1, "report": 1, "total": 2}


def test_what_is_asked_for_by_name_is_made_below_an_edited_config_too(copied):
    run = copied.results.run("toy", "cond", 0)
    run.sample_grid.unlink()
    note = 'of $\\mathcal{L}$, {small} \\and {{dataset}}; it\'s "hostile" ~ 100 %'
    copied.edit(title=note, note=note, **UNTRACKED)
    grid = str(run.sample_grid.relative_to(copied.folder))
    done = snakemake(copied.folder, grid)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run.sample_grid.exists() and read_json(copied.results.config)["note"] == note
    # A value from the command line comes as text: it is what stands in the file, and changes nothing.
    same = ("--config", "seeds=['0']", "threads='1'", "training={'epochs': '2', 'batch_size': '16'}")
    assert planned_jobs(copied.folder, "report", *same) == {"report": 1, "total": 1}
    # What is forced is done, though it is current.
    trained, checkpoint = run.record(), str(run.checkpoint.relative_to(copied.folder))
    for forcing in (["--forcerun", "train"], ["--force"]):
        before = run.record().run_id
        done = snakemake(copied.folder, checkpoint, *forcing)
        assert done.returncode == 0 and run.record().run_id != before, done.stdout + done.stderr
    assert run.record().best_valid_nll == trained.best_valid_nll


def test_a_bad_config_stops_before_anything_runs(tmp_path):
    toy(tmp_path, trainig={})
    done = snakemake(tmp_path, "report")
    assert done.returncode != 0
    assert "trainig: unknown key; did you mean 'training'" in done.stderr + done.stdout
    wrong = {"base": {"model": "pixelcnn", "hyperparameters": {"chanels": 1}}}
    toy(tmp_path, variants=wrong, **UNTRACKED)
    done = snakemake(tmp_path, "report")
    assert done.returncode != 0
    assert "did you mean 'channels'" in done.stderr + done.stdout, "the user sees it without opening a log"
    assert not (tmp_path / "results/toy/toy").exists(), "nothing was prepared or trained"
