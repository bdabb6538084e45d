"""Benchmarks through a real SLURM: what jobs ask for, what interrupts them, and what comes out in the end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import cluster
import pandas as pd
import pytest

from pixelcnn.records import RunFolder

ROOT = Path(__file__).resolve().parents[2]
NETWORK = {"model": "pixelcnn", "hyperparameters": {"channels": 6, "blocks": 1, "head_channels": 8}}
#: A learning rate with which the loss soon is not finite.
BROKEN = {"learning_rate": 1e25, "gradient_clip": 1e30, "warmup_steps": 0}
TIMES = ("seconds",)


def benchmark(folder: Path, name: str, variants: dict[str, Any], **keys: Any) -> Path:
    """A config of small real digits in `folder`; returns where its results will be."""
    value = {
        "benchmark": name,
        "datasets": {"digits": {"source": "mnist5k", "image_size": 7, "levels": 4}},
        "variants": variants,
        "seeds": [0],
        "training": {"epochs": 1, "batch_size": 64},
        "sampling": {"images": 4, "completions": 1},
        **keys,
    }
    (folder / f"{name}.yaml").write_text(json.dumps(value))
    return folder / "results" / name


def start(folder: Path, name: str, *arguments: str, profile: bool = True) -> subprocess.Popen[str]:
    """Snakemake on a benchmark, with the cluster's profile and what this cluster needs beside it."""
    command = [sys.executable, "-m", "snakemake", "report", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(folder / f"{name}.yaml"), *arguments]
    if profile:
        # There is no accounting database here, which `sacct` would ask.
        command += ["--profile", str(ROOT / "profiles" / "slurm"), "--slurm-status-command", "squeue"]
        command += ["--slurm-init-seconds-before-status-checks", "3", "--slurm-no-account"]
        command += ["--seconds-between-status-checks", "2"]  # a chain of five jobs waits for each
    else:
        command += ["--cores", "2"]
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
            text=True,
            # Ignored in the background of a shell, and so in its children; here it is Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


@dataclass(frozen=True)
class Job:
    """What SLURM says of a job."""

    number: str
    state: str
    minutes: float
    fields: dict[str, str]

    @property
    def interval(self) -> tuple[datetime, datetime]:
        return datetime.fromisoformat(self.fields["StartTime"]), datetime.fromisoformat(
            self.fields["EndTime"]
        )


def jobs(rule: str, *wildcards: str) -> list[Job]:
    """SLURM's jobs of a rule with these values of its wildcards, the first one first."""
    comment = f"rule_{rule}_wildcards_{'_'.join(wildcards)}"
    found = []
    for line in cluster.output("scontrol", "show", "job", "--oneliner").splitlines():
        fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if fields.get("Comment") == comment:
            hours, minutes, seconds = map(int, fields["TimeLimit"].split(":"))
            found.append(
                Job(fields["JobId"], fields["JobState"], hours * 60 + minutes + seconds / 60, fields)
            )
    return found


def wait_for_epochs(run: RunFolder, workflow: subprocess.Popen[str], count: int) -> None:
    """Returns once a training has finished some epochs."""
    while len(run.history()) < count:
        assert workflow.poll() is None, f"the workflow ended before {run.path} was interrupted"
        time.sleep(0.05)


def scientific(run: RunFolder) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Metrics and history of a run, without its times."""
    metrics = json.loads((run.path / "metrics.json").read_text())
    timed = ("seconds", "images_per_second")
    history = [{k: v for k, v in line.items() if k not in timed} for line in run.history()]
    return {k: v for k, v in metrics.items() if k not in TIMES}, history


# How a training is interrupted, given its SLURM job's number and its record.
def cancel(job: str, pid: int) -> None:
    subprocess.run(["scancel", job], check=True)


def kill(job: str, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def requeue(job: str, pid: int) -> None:
    subprocess.run(["scontrol", "requeue", job], check=True)
    now(job)


def shorten(job: str, pid: int) -> None:
    subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=1"], check=True)


def now(job: str) -> None:
    """SLURM lets a job that it has queued again wait two minutes; not here."""
    for _ in range(100):
        done = subprocess.run(
            ["scontrol", "update", f"JobId={job}", "StartTime=now"], capture_output=True, text=True
        )
        if done.returncode == 0 and "JobState=PENDING" in cluster.output("scontrol", "show", "job", job):
            return
        time.sleep(0.3)
    raise AssertionError(f"job {job} was not queued again: {done.stderr}")


INTERRUPTIONS: dict[str, Callable[[str, int], None]] = {
    "cancelled": cancel,
    "killed": kill,
    "requeued": requeue,
    "limited": shorten,
}
TRAINING = {"training": {"epochs": 40, "batch_size": 64}, "saving": {"minutes": 0.01}}
#: SLURM looks at limits every half minute: until then this one still trains.
LONGER = {**NETWORK, "training": {"epochs": 150}}


PACKED = {
    "good": NETWORK,
    "independent": {"model": "independent"},
    "broken": {**NETWORK, "training": BROKEN},
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A benchmark of two jobs of three runs each, while others go on, and its results."""
    folder = tmp_path_factory.mktemp("packed")
    results = benchmark(folder, "packed", PACKED, seeds=[0, 1], jobs={"runs_per_job": 3, "gpus": 1})
    scarce = ["--set-resources", *(f"{rule}:slurm_partition=scarce" for rule in ("pack", "measure"))]
    workflow = start(folder, "packed", "--retries", "0", *scarce)
    yield workflow, results
    workflow.kill()


@pytest.fixture(scope="module")
def interrupted(packed, tmp_path_factory) -> Iterator[Path]:
    """A benchmark whose trainings were interrupted in every way, with one that fails; its results."""
    folder = tmp_path_factory.mktemp("interrupted")
    variants = {name: NETWORK for name in INTERRUPTIONS} | {"limited": LONGER}
    variants["broken"] = {**NETWORK, "training": BROKEN}
    results = benchmark(folder, "interrupted", variants, **TRAINING)
    workflow = start(folder, "interrupted", "--retries", "1")
    try:
        for name, interrupt in INTERRUPTIONS.items():
            run = RunFolder(results / "digits" / name / "seed0")
            wait_for_epochs(run, workflow, 2)
            record = run.record()
            assert record is not None and record.status == "running"
            interrupt(jobs("train", "digits", name, "0")[0].number, record.pid)
        status = workflow.wait(timeout=600)
    finally:
        workflow.kill()
    assert status != 0, "one run cannot be trained"
    yield results


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Iterator[Callable[[str], RunFolder]]:
    """The trainings of these benchmarks on this machine, without SLURM, by the name of the interruption."""
    folder = tmp_path_factory.mktemp("local")
    results = benchmark(folder, "local", {"usual": NETWORK, "limited": LONGER}, **TRAINING)
    workflow = start(folder, "local", profile=False)

    def finished(name: str) -> RunFolder:
        assert workflow.wait(timeout=400) == 0
        return RunFolder(results / "digits" / ("limited" if name == "limited" else "usual") / "seed0")

    yield finished
    workflow.kill()


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_an_interrupted_training_goes_on_and_ends_in_the_numbers_of_a_local_one(
    uninterrupted, interrupted, name
):
    run = RunFolder(interrupted / "digits" / name / "seed0")
    record = run.record()
    assert record.status == "finished" and record.resumes >= 1 and record.changed == []
    assert scientific(run) == scientific(uninterrupted(name))


def test_every_interruption_was_slurms(interrupted):
    states = {name: [job.state for job in jobs("train", "digits", name, "0")] for name in INTERRUPTIONS}
    assert states["cancelled"] == ["CANCELLED", "COMPLETED"]
    assert states["killed"] == ["FAILED", "COMPLETED"]
    assert states["requeued"] == ["COMPLETED"]
    assert jobs("train", "digits", "requeued", "0")[0].fields["Restarts"] == "1"
    # Asked to stop a minute ahead of its limit, the training saved its state and gave up its job.
    assert states["limited"][0] in ("FAILED", "TIMEOUT") and states["limited"][-1] == "COMPLETED"


def test_jobs_asked_for_what_they_need(interrupted):
    first, second = jobs("train", "digits", "cancelled", "0")
    assert first.fields["TRES"].startswith("cpu=1,mem=6000M,node=1")
    assert second.fields["TRES"].startswith("cpu=1,mem=12000M,node=1"), "more memory for another attempt"
    assert 5 < first.minutes < 60 and second.minutes == first.minutes, "a training goes on where it was"
    for rule, seed in (("evaluate", ["0"]), ("sample", ["0"]), ("analyse", ["0"]), ("measure", [])):
        (job,) = jobs(rule, "digits", "cancelled", *seed)
        assert job.state == "COMPLETED" and 5 < job.minutes < 60
    comments = re.findall(r" Comment=rule_(\w+?)_wildcards", cluster.output("scontrol", "show", "job", "-o"))
    rules = {"train", "evaluate", "sample", "analyse", "measure", "pack"}
    assert set(comments) == rules, "light rules stay on the login node"


def test_a_failing_job_is_reported_with_its_log_and_stops_no_other(interrupted):
    log = (interrupted.parents[1] / "interrupted.log").read_text()
    assert "results/interrupted/logs/train-digits-broken-seed0.log" in log
    assert "NaN or infinite" in log, "the log's text is shown"
    assert [job.state for job in jobs("train", "digits", "broken", "0")] == ["FAILED"] * 2
    metrics = pd.read_csv(interrupted / "report" / "metrics.csv").set_index("variant")
    assert metrics.status.to_dict() == {**dict.fromkeys(INTERRUPTIONS, "finished"), "broken": "failed"}


def test_jobs_need_no_tracking_database(interrupted):
    """Only the login node's tracker writes there; it saw how each training ended."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{interrupted.parents[1]}/results/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("interrupted")
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'run'")
    statuses = {run.data.tags["variant"]: run.info.status for run in runs}
    assert statuses == {**dict.fromkeys(INTERRUPTIONS, "FINISHED"), "broken": "FAILED"}


def test_runs_packed_into_jobs_share_a_gpu_and_lose_nothing_when_one_fails(packed):
    workflow, results = packed
    assert workflow.wait(timeout=400) != 0
    (first,), (second,) = jobs("pack", "0"), jobs("pack", "1")
    assert (first.state, second.state) == ("COMPLETED", "FAILED")
    for job in (first, second):
        assert job.fields["TresPerJob"] == "gres:gpu:1"
    ordered = sorted([first.interval, second.interval])
    assert ordered[0][1] <= ordered[1][0], "the one GPU was given to two jobs at once"
    metrics = pd.read_csv(results / "report" / "metrics.csv")
    statuses = metrics.groupby("variant").status.agg(list).to_dict()
    finished, failed = ["finished"] * 2, ["failed"] * 2
    assert statuses == {"good": finished, "independent": finished, "broken": failed}
    # Without packing there is left to do what failed, and nothing else.
    folder = results.parents[1]
    benchmark(folder, "packed", PACKED, seeds=[0, 1], jobs={"gpus": 1})
    assert start(folder, "packed", "-n", profile=False).wait() == 0
    planned = dict(re.findall(r"^(\w+) +(\d+)$", (folder / "packed.log").read_text(), re.MULTILINE))
    failed_runs = dict.fromkeys(("train", "evaluate", "sample", "analyse"), "2")
    assert planned == failed_runs | {"plan": "1", "measure": "1", "report": "1", "total": "11"}


def test_after_ctrl_c_the_same_command_goes_on_and_so_does_a_job_that_an_urgent_one_pushes_out(
    tmp_path, uninterrupted
):
    results = benchmark(tmp_path, "stopped", {"steady": LONGER}, **TRAINING)
    run = RunFolder(results / "digits" / "steady" / "seed0")
    workflow = start(tmp_path, "stopped")
    try:
        wait_for_epochs(run, workflow, 2)
        workflow.send_signal(signal.SIGINT)
        assert workflow.wait(timeout=200) != 0
        done = len(run.history())
        workflow = start(tmp_path, "stopped")
        wait_for_epochs(run, workflow, done + 2)
        cancelled, job = jobs("train", "digits", "steady", "0")
        subprocess.run(["srun", "--partition=urgent", f"--ntasks={cluster.CPUS}", "true"], check=True)
        now(job.number)
        assert workflow.wait(timeout=400) == 0
    finally:
        workflow.kill()
    assert cancelled.state == "CANCELLED"
    assert run.record().resumes == 2
    assert scientific(run) == scientific(uninterrupted("limited"))
