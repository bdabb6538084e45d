"""Benchmarks through a real SLURM: what jobs ask for, what interrupts them, and what comes out in the end."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from slurm.interruptions import Hold, Interruption, cancel, kill, limit, push_out, requeue
from slurm.workflows import benchmark, every_job, jobs, profile, start
from support.snakemake import OF_A_RUN, mlflow_statuses, planned_jobs

from pixelcnn.results.folder import RunFolder
from pixelcnn.scheduling import estimates
from pixelcnn.scheduling.planning import load_resolved

NETWORK = {"model": "pixelcnn", "hyperparameters": {"channels": 6, "blocks": 1, "head_channels": 8}}
#: A learning rate with which the loss soon is not finite.
BROKEN = {**NETWORK, "training": {"learning_rate": 1e25, "gradient_clip": 1e30, "warmup_steps": 0}}
INTERRUPTIONS: dict[str, list[Interruption]] = {
    "cancelled_then_killed": [cancel, kill],
    "limited_then_requeued": [limit, requeue],
}
PACKED = {"good": NETWORK, "broken": BROKEN, "independent": {"model": "independent"}}
#: A database of its own would cost each benchmark some seconds; one has it.
UNTRACKED = {"tracking": {"enabled": False}}


def scientific(run: RunFolder) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Metrics and history of a run, without its times."""
    metrics = json.loads((run.path / "metrics.json").read_text(encoding="utf-8"))
    timed = ("seconds", "images_per_second")
    history = [{k: v for k, v in line.items() if k not in timed} for line in run.history()]
    return {k: v for k, v in metrics.items() if k != "seconds"}, history


@pytest.fixture(scope="module")
def hold() -> Iterator[Hold]:
    """Stops trainings in the middle; none outlives these tests."""
    hold = Hold()
    yield hold
    hold.release()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Iterator[Callable[[], RunFolder]]:
    """A training of `NETWORK` on this machine, without SLURM; waits for its end."""
    folder = tmp_path_factory.mktemp("local")
    results = benchmark(folder, "local", {"usual": NETWORK}, **UNTRACKED)
    run = RunFolder(results / "digits" / "usual" / "seed0")
    wanted = [str((run.path / name).relative_to(folder)) for name in ("metrics.json", "samples.npz")]
    workflow = start(folder, "local", *wanted, "--cores", "1")

    def finished() -> RunFolder:
        assert workflow.wait(timeout=400) == 0
        return run

    yield finished
    workflow.kill()


@pytest.fixture(scope="module")
def packed(hold, uninterrupted, tmp_path_factory) -> Iterator[Callable[[], Path]]:
    """A benchmark of two jobs for one GPU, while others go on; waits for its end and returns its results.

    The workflow is stopped by Ctrl-C, the same command started again, and one of its jobs then pushed out.
    """
    folder = tmp_path_factory.mktemp("packed")
    packs = {"runs_per_gpu": 2, "jobs": {"runs_per_job": 2, "gpus": 1}}
    results = benchmark(folder, "packed", PACKED, **UNTRACKED, **packs)
    run = RunFolder(results / "digits" / "good" / "seed0")
    options = ["report", *profile(), "--retries", "0", "--set-resources"]
    options += [f"{rule}:slurm_partition=scarce" for rule in ("pack", "measure")]
    workflows = [start(folder, "packed", *options)]

    def disturb() -> int:
        pid = hold(run, workflows[0])
        workflows[0].send_signal(signal.SIGINT)
        assert workflows[0].wait(timeout=300) != 0
        workflows.append(start(folder, "packed", *options))
        pid = hold(run, workflows[1], pid)
        push_out(jobs("pack", "0")[-1].number, pid)
        return workflows[1].wait(timeout=400)

    with ThreadPoolExecutor() as threads:
        disturbed = threads.submit(disturb)

        def finished() -> Path:
            assert disturbed.result() != 0, "one run cannot be trained"
            return results

        yield finished
        while not disturbed.done():  # after a test that failed
            for workflow in workflows:
                workflow.kill()
            time.sleep(0.1)


@pytest.fixture(scope="module")
def interrupted(hold, packed, tmp_path_factory) -> Iterator[Path]:
    """A benchmark whose trainings are interrupted twice each, with one that fails; its results."""
    folder = tmp_path_factory.mktemp("interrupted")
    # Samples of a conditional variant are judged by a classifier, which is a job, too.
    variants = {name: NETWORK for name in INTERRUPTIONS} | {"broken": {**BROKEN, "conditional": True}}
    asked = {"train": {"minutes": 21}, "evaluate": {"memory_mb": 3000}}
    results = benchmark(folder, "interrupted", variants, jobs=asked)
    workflow = start(folder, "interrupted", "report", *profile(), "--retries", "2")

    def interrupt(name: str) -> None:
        run, pid = RunFolder(results / "digits" / name / "seed0"), 0
        for interruption in INTERRUPTIONS[name]:
            pid = hold(run, workflow, pid)
            interruption(jobs("train", "digits", name, "0")[-1].number, pid)

    try:
        with ThreadPoolExecutor() as threads:
            list(threads.map(interrupt, INTERRUPTIONS))
        assert workflow.wait(timeout=600) != 0, "one run cannot be trained"
    finally:
        workflow.kill()
    yield results


def check_resumed(run: RunFolder, hold: Hold, uninterrupted: RunFolder) -> None:
    """A training was interrupted twice, kept what it had done, and ended in another one's numbers."""
    record, before = run.record(), hold.histories[run.path]
    assert record is not None
    assert record.status == "finished" and record.resumes == 2 and record.changed == []
    assert run.history()[: len(before)] == before, "with their times: these epochs were not trained again"
    assert scientific(run) == scientific(uninterrupted)
    samples, expected = (np.load(folder.path / "samples.npz") for folder in (run, uninterrupted))
    assert np.array_equal(samples["images"], expected["images"])


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_an_interrupted_training_goes_on_and_ends_in_the_numbers_of_a_local_one(
    hold, uninterrupted, interrupted, name
):
    check_resumed(RunFolder(interrupted / "digits" / name / "seed0"), hold, uninterrupted())


def test_slurm_saw_every_interruption(interrupted):
    first, second = (jobs("train", "digits", name, "0") for name in INTERRUPTIONS)
    assert [job.state for job in first] == ["CANCELLED", "FAILED", "COMPLETED"]
    # Warned ahead of its limit, the training saved its state and gave up its job: no TIMEOUT.
    assert [job.state for job in second] == ["FAILED", "COMPLETED"]
    assert [job.fields["Restarts"] for job in second] == ["0", "1"]


def test_jobs_asked_for_what_the_config_says_or_what_is_estimated(interrupted, monkeypatch):
    trainings = jobs("train", "digits", "cancelled_then_killed", "0")
    assert [job.minutes for job in trainings] == [21, 21, 21], "a training goes on where it was"
    assert [job.resources["mem"] for job in trainings] == ["6000M", "12000M", "18000M"]
    monkeypatch.chdir(interrupted.parents[1])
    config = load_resolved("interrupted.yaml")
    run = config.run("digits", "cancelled_then_killed", 0)
    for rule, seed in (("evaluate", ["0"]), ("sample", ["0"]), ("analyse", ["0"]), ("measure", [])):
        (job,) = jobs(rule, "digits", "cancelled_then_killed", *seed)
        assert job.state == "COMPLETED" and job.resources["cpu"] == "1"
        assert job.resources["mem"] == ("3000M" if rule == "evaluate" else "6000M")
        assert job.minutes == estimates.minutes(config, [(rule, run)], on_gpu=False)
    comments = [re.match(r"rule_(\w+?)_wildcards", job.fields.get("Comment", "")) for job in every_job()]
    rules = {"train", "evaluate", "sample", "analyse", "classify", "measure", "pack"}
    assert {found[1] for found in comments if found} == rules, "light rules stay on the login node"


def test_a_failing_job_is_reported_with_its_log_and_stops_no_other(interrupted):
    log = (interrupted.parents[1] / "interrupted.log").read_text(encoding="utf-8")
    assert "results/interrupted/logs/train/digits/broken/seed0.log" in log
    assert "NaN or infinite" in log, "the log's text is shown"
    assert [job.state for job in jobs("train", "digits", "broken", "0")] == ["FAILED"] * 3
    metrics = pd.read_csv(interrupted / "report" / "metrics.csv").set_index("variant")
    assert metrics.status.to_dict() == {**dict.fromkeys(INTERRUPTIONS, "finished"), "broken": "failed"}


def test_brought_home_the_results_leave_only_what_failed_to_be_done(interrupted, tmp_path):
    shutil.copytree(interrupted.parent, tmp_path / "results")  # keeps the times of the files, as rsync -a
    shutil.copy(interrupted.parents[1] / "interrupted.yaml", tmp_path)
    failed = dict.fromkeys((*OF_A_RUN, "measure", "report"), 1) | {"total": 6}
    assert planned_jobs(tmp_path, "report", config="interrupted.yaml") == failed


def test_the_login_nodes_tracker_saw_how_each_training_ended(interrupted):
    finished = dict.fromkeys((f"{name}/0" for name in INTERRUPTIONS), "FINISHED")
    assert mlflow_statuses(interrupted.parents[1], "interrupted") == finished | {"broken/0": "FAILED"}


def test_runs_packed_into_jobs_share_a_gpu_and_lose_nothing_when_one_fails(packed):
    results = packed()
    first, second = jobs("pack", "0"), jobs("pack", "1")
    assert (first[-1].state, second[-1].state) == ("FAILED", "COMPLETED")
    assert (first[-1].resources["cpu"], first[-1].resources["mem"]) == ("2", "12000M"), "two runs at once"
    claims = [*first, *second, *jobs("measure", "digits", "independent")]
    assert {job.fields["TresPerJob"] for job in claims} == {"gres:gpu:1"}
    ran = sorted((job.started, job.ended) for job in claims if job.started < job.ended)
    assert len(ran) >= 3
    assert all(end <= start for (_, end), (start, _) in pairwise(ran)), "two jobs at once had the one GPU"
    metrics = pd.read_csv(results / "report" / "metrics.csv").set_index("variant")
    assert metrics.status.to_dict() == {"good": "finished", "independent": "finished", "broken": "failed"}
    # Without packing there is left to do what failed and what waited for it, and nothing else.
    folder = results.parents[1]
    benchmark(folder, "packed", PACKED, **UNTRACKED, jobs={"gpus": 1})
    failed = dict.fromkeys((*OF_A_RUN, "plan", "report"), 1) | {"measure": 2, "total": 8}
    assert planned_jobs(folder, "report", config="packed.yaml") == failed


def test_runs_in_a_job_go_on_after_ctrl_c_and_after_an_urgent_job_pushed_theirs_out(
    hold, uninterrupted, packed
):
    run = RunFolder(packed() / "digits" / "good" / "seed0")
    stopped, pushed_out = jobs("pack", "0")
    assert stopped.state == "CANCELLED" and pushed_out.fields["Restarts"] == "1"
    check_resumed(run, hold, uninterrupted())
