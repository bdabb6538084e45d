"""Runs that failed, vanished, went on, were retrained or come from another folder."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys

import pytest
from support.mlflow_runs import HERE, dump, rewrite_record, runs, values

from benchmarks.made_up import benchmark, write_run
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.tracking import projection
from pixelcnn.tracking.store import default_store

pytest.importorskip("mlflow")


def test_failed_and_vanished_runs_are_told_apart_and_may_recover(made):
    first, second = made.runs()
    error = {"error": "loss is NaN", "ended": "2026-01-05T10:01:00+00:00"}
    write_run(made, first, status="failed", record_values=error)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    folder = write_run(made, second, status="running", record_values={**HERE, "pid": process.pid})

    summary = projection.project(folder_of(made).path)

    assert list(summary.statuses.values()) == ["FAILED", "KILLED"]
    failed, vanished = runs(made)
    assert (failed["info"]["status"], vanished["info"]["status"]) == ("FAILED", "KILLED")
    assert failed["tags"]["error"] == "loss is NaN"
    assert f"process {process.pid}" in vanished["tags"]["error"]
    assert vanished["info"]["end_time"] == (folder / "record.json").stat().st_mtime_ns // 1_000_000

    rewrite_record(folder, **HERE)
    projection.project(folder_of(made).path)
    resumed = runs(made)[1]
    assert resumed["info"]["status"] == "RUNNING" and "error" not in resumed["tags"]


def test_a_run_that_was_interrupted_and_went_on_is_one_run_with_each_step_once(made):
    spec = made.runs()[0]
    write_run(made, spec, status="interrupted", record_values={**HERE, "error": "stopped by SIGTERM"})
    projection.project(folder_of(made).path)
    [run] = runs(made)
    assert run["info"]["status"] == "KILLED" and run["info"]["end_time"] is not None
    assert run["tags"]["error"] == "stopped by SIGTERM"

    # It goes on from a state that is older than its history.
    folder = write_run(made, spec, status="running", record_values={**HERE, "resumes": 1})
    history = RunFolder(folder).history_file
    history.write_text(
        "".join(history.read_text(encoding="utf-8").splitlines(keepends=True)[:1]), encoding="utf-8"
    )
    projection.project(folder_of(made).path)
    [run] = runs(made)
    assert run["info"]["status"] == "RUNNING"  # MLflow keeps the end time, as for its own resumed runs
    assert "error" not in run["tags"] and run["tags"]["resumes"] == "1"

    write_run(made, spec, record_values={"resumes": 1})
    projection.project(folder_of(made).path)
    [run] = runs(made)
    assert run["info"]["status"] == "FINISHED"
    steps = {key: [step for step, _, _ in points] for key, points in run["metrics"].items()}
    assert steps.pop("valid_nll") == steps.pop("train_nll") == [1, 2, 3, 4]
    assert steps and all(found in ([0], [1, 2, 3, 4]) for found in steps.values())
    assert len(dump(made)) == 1 + 1, "no second run, not even a deleted one"


def test_a_training_that_starts_over_has_a_curve_of_its_own(made):
    spec = made.runs()[0]
    folder = write_run(made, spec, status="interrupted", record_values=HERE)
    projection.project(folder_of(made).path)
    assert [step for step, _, _ in runs(made)[0]["metrics"]["valid_nll"]] == [1, 2]
    rewrite_record(folder, run_id="over", status="running")
    history = RunFolder(folder).history_file
    history.write_text(
        history.read_text(encoding="utf-8")
        .splitlines(keepends=True)[0]
        .replace('"valid_nll": ', '"valid_nll": 1'),
        encoding="utf-8",
    )
    projection.project(folder_of(made).path)
    [run] = runs(made)
    assert (
        values(run, "valid_nll") == [RunFolder(folder).history()[0]["valid_nll"]]
        and "resumes" not in run["tags"]
    )


def test_a_retrained_run_replaces_the_superseded_one(made):
    for spec in made.runs():
        write_run(made, spec)
    projection.project(folder_of(made).path)
    rewrite_record(folder_of(made).run_of(made.runs()[0]).path, run_id="again")

    summary = projection.project(folder_of(made).path)

    assert summary.superseded == summary.created == [made.runs()[0].name]
    assert runs(made)[0]["tags"]["pixelcnn.run_id"] == "again"
    assert len(runs(made)) == 2 and len(dump(made)) == 1 + 3
    assert len(projection.project(folder_of(made).path).unchanged) == 2


def test_another_folder_of_the_same_name_keeps_its_runs(made, tmp_path):
    uri = default_store(tmp_path).uri
    write_run(made, made.runs()[0])
    other = benchmark(tmp_path / "elsewhere", variants={"gated": {"model": "other"}}, seeds=[0, 1])
    write_run(other, other.runs()[0])
    for directory in (folder_of(made).path, folder_of(other).path, folder_of(made).path):
        assert projection.project(directory, uri=uri).superseded == []
    assert len(runs(made)) == 2


def test_a_training_that_is_to_replace_another_is_shown_if_the_config_asks_for_it(made):
    spec = made.runs()[0]
    folder = RunFolder(write_run(made, spec))
    finished = folder.record()
    folder.attempt.path.mkdir()
    shutil.copy(folder.spec_file, folder.attempt.spec_file)
    begun = dataclasses.replace(finished, run_id="begun", status="running", ended=None, **HERE)
    # One of a config that was edited since, on a machine of which nothing is heard any more.
    other = dataclasses.replace(begun, digest="0" * 16, host="elsewhere")
    for record, shown in ((other, finished), (begun, begun)):
        record.write(folder.attempt.record_file)
        projection.project(folder_of(made).path)
        [run] = runs(made)
        assert run["tags"]["pixelcnn.run_id"] == shown.run_id
        assert run["info"]["status"] == {"running": "RUNNING", "finished": "FINISHED"}[shown.status]
