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
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
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
    command = [sys.executable, "-m", "snakemake", *arguments, "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(folder / f"{name}.yaml")]
    if profile:
        # There is no accounting database here, which `sacct` would ask.
        command += ["--profile", str(ROOT / "profiles" / "slurm"), "--slurm-status-command", "squeue"]
        # The plugin asks after jobs so long after one has ended, then 10 s later each time.
        command += ["--slurm-init-seconds-before-status-checks", "7", "--slurm-no-account"]
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


def hold(run: RunFolder, workflow: subprocess.Popen[str], before: int = 0) -> int:
    """Stop the process of a training, another than the one before, after two epochs; returns it.

    So it is in the middle whatever the machine's speed. With the signal to end, SLURM sends one to go on.
    """
    done = len(run.history())
    while (record := run.record()) is None or record.pid == before or len(run.history()) < done + 2:
        assert workflow.poll() is None, f"the workflow ended before {run.path} was interrupted"
        time.sleep(0.05)
    assert record.status == "running"
    os.kill(record.pid, signal.SIGSTOP)
    return record.pid


def scientific(run: RunFolder) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Metrics and history of a run, without its times."""
    metrics = json.loads((run.path / "metrics.json").read_text())
    timed = ("seconds", "images_per_second")
    history = [{k: v for k, v in line.items() if k not in timed} for line in run.history()]
    return {k: v for k, v in metrics.items() if k not in TIMES}, history


# How a training that is held is interrupted, given its SLURM job's number and its process.
def cancel(job: str, pid: int) -> None:
    subprocess.run(["scancel", job], check=True)


def kill(job: str, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def requeue(job: str, pid: int) -> None:
    subprocess.run(["scontrol", "requeue", job], check=True)
    now(job)


def limit(job: str, pid: int) -> None:
    """Let the time limit come near, and the training go on once SLURM warns: it looks each half minute."""
    subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=1"], check=True)
    with suppress(FileNotFoundError, ProcessLookupError):  # at the limit itself SLURM lets it go on
        while not pending(pid) >> (signal.SIGTERM - 1) & 1:
            time.sleep(0.1)
        os.kill(pid, signal.SIGCONT)


def pending(pid: int) -> int:
    """The signals that wait for a process, a bit each."""
    return int(re.search(r"ShdPnd:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())[1], 16)


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


INTERRUPTIONS: dict[str, list[Callable[[str, int], None]]] = {
    "cancelled_then_killed": [cancel, kill],
    "limited_then_requeued": [limit, requeue],
}
TRAINING = {"training": {"epochs": 12, "batch_size": 64}, "saving": {"minutes": 0.01}}
BROKEN_NETWORK = {**NETWORK, "training": BROKEN}
#: A database of its own would cost each benchmark some seconds; one has it.
UNTRACKED = {"tracking": {"enabled": False}}
PACKED = {"good": NETWORK, "broken": BROKEN_NETWORK, "independent": {"model": "independent"}}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Iterator[Callable[[], RunFolder]]:
    """The training of the benchmarks below on this machine, without SLURM."""
    folder = tmp_path_factory.mktemp("local")
    results = benchmark(folder, "local", {"usual": NETWORK}, **TRAINING, **UNTRACKED)
    run = RunFolder(results / "digits" / "usual" / "seed0")
    metrics = (run.path / "metrics.json").relative_to(folder)
    workflow = start(folder, "local", str(metrics), profile=False)

    def finished() -> RunFolder:
        assert workflow.wait(timeout=400) == 0
        return run

    yield finished
    workflow.kill()


@pytest.fixture(scope="module")
def packed(uninterrupted, tmp_path_factory) -> Iterator[Callable[[], Path]]:
    """A benchmark of two jobs for one GPU, while others go on; waits for its end and returns its results.

    The workflow is stopped by Ctrl-C, the same command started again, and its first job then pushed out.
    """
    folder = tmp_path_factory.mktemp("packed")
    packs = {"runs_per_job": 2, "gpus": 1}
    results = benchmark(folder, "packed", PACKED, **TRAINING, **UNTRACKED, jobs=packs)
    run = RunFolder(results / "digits" / "good" / "seed0")
    options = ["report", "--retries", "0", "--prioritize", "results/packed/packs/0.done"]
    options += ["--set-resources", "pack:slurm_partition=scarce", "measure:slurm_partition=scarce"]
    workflows = [start(folder, "packed", *options)]

    def disturb() -> int:
        pid = hold(run, workflows[0])
        workflows[0].send_signal(signal.SIGINT)
        assert workflows[0].wait(timeout=200) != 0
        workflows.append(start(folder, "packed", *options))
        hold(run, workflows[1], pid)
        subprocess.run(["srun", "--partition=urgent", "--gpus=1", "true"], check=True)
        now(jobs("pack", "0")[-1].number)
        return workflows[1].wait(timeout=400)

    with ThreadPoolExecutor() as threads:
        disturbed = threads.submit(disturb)

        def finished() -> Path:
            assert disturbed.result() != 0, "one run cannot be trained"
            return results

        yield finished
        for workflow in workflows:
            workflow.kill()


@pytest.fixture(scope="module")
def interrupted(packed, tmp_path_factory) -> Iterator[Path]:
    """A benchmark whose trainings were interrupted in every way, with one that fails; its results."""
    folder = tmp_path_factory.mktemp("interrupted")
    variants = {name: NETWORK for name in INTERRUPTIONS} | {"broken": BROKEN_NETWORK}
    results = benchmark(folder, "interrupted", variants, **TRAINING)
    workflow = start(folder, "interrupted", "report", "--retries", "2")

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


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_an_interrupted_training_goes_on_and_ends_in_the_numbers_of_a_local_one(
    uninterrupted, interrupted, name
):
    run = RunFolder(interrupted / "digits" / name / "seed0")
    record = run.record()
    assert record.status == "finished" and record.resumes == 2 and record.changed == []
    assert scientific(run) == scientific(uninterrupted())


def test_every_interruption_was_slurms(interrupted):
    first, second = (jobs("train", "digits", name, "0") for name in INTERRUPTIONS)
    assert [job.state for job in first] == ["CANCELLED", "FAILED", "COMPLETED"]
    # Asked to stop a minute ahead of its limit, the training saved its state and gave up its job.
    assert second[0].state in ("FAILED", "TIMEOUT") and second[-1].state == "COMPLETED"
    assert [job.fields["Restarts"] for job in second] == ["0", "1"]


def test_jobs_asked_for_what_they_need(interrupted):
    first, second, _ = jobs("train", "digits", "cancelled_then_killed", "0")
    assert first.fields["TRES"].startswith("cpu=1,mem=6000M,node=1")
    assert second.fields["TRES"].startswith("cpu=1,mem=12000M,node=1"), "more memory for another attempt"
    assert 5 < first.minutes < 60 and second.minutes == first.minutes, "a training goes on where it was"
    for rule, seed in (("evaluate", ["0"]), ("sample", ["0"]), ("analyse", ["0"]), ("measure", [])):
        (job,) = jobs(rule, "digits", "cancelled_then_killed", *seed)
        assert job.state == "COMPLETED" and 5 < job.minutes < 60
    comments = re.findall(r" Comment=rule_(\w+?)_wildcards", cluster.output("scontrol", "show", "job", "-o"))
    rules = {"train", "evaluate", "sample", "analyse", "measure", "pack"}
    assert set(comments) == rules, "light rules stay on the login node"


def test_a_failing_job_is_reported_with_its_log_and_stops_no_other(interrupted):
    log = (interrupted.parents[1] / "interrupted.log").read_text()
    assert "results/interrupted/logs/train-digits-broken-seed0.log" in log
    assert "NaN or infinite" in log, "the log's text is shown"
    assert [job.state for job in jobs("train", "digits", "broken", "0")] == ["FAILED"] * 3
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
    results = packed()
    first, second = jobs("pack", "0"), jobs("pack", "1")
    assert (first[-1].state, second[-1].state) == ("FAILED", "COMPLETED")
    claims = [*first, *second, *jobs("measure", "digits", "independent")]
    assert {job.fields["TresPerJob"] for job in claims} == {"gres:gpu:1"}
    times = [job.interval for job in sorted(claims, key=lambda job: job.interval)]
    assert all(end <= start for (_, end), (start, _) in pairwise(times)), (
        "one GPU was given to two jobs at once"
    )
    metrics = pd.read_csv(results / "report" / "metrics.csv").set_index("variant")
    assert metrics.status.to_dict() == {"good": "finished", "independent": "finished", "broken": "failed"}
    # Without packing there is left to do what failed and what waited for it, and nothing else.
    folder = results.parents[1]
    benchmark(folder, "packed", PACKED, **TRAINING, **UNTRACKED, jobs={"gpus": 1})
    assert start(folder, "packed", "report", "-n", profile=False).wait() == 0
    planned = dict(re.findall(r"^(\w+) +(\d+)$", (folder / "packed.log").read_text(), re.MULTILINE))
    failed_run = dict.fromkeys(("train", "evaluate", "sample", "analyse"), "1")
    assert planned == failed_run | {"measure": "2", "plan": "1", "report": "1", "total": "8"}


def test_runs_in_a_job_go_on_after_ctrl_c_and_after_an_urgent_job_pushed_theirs_out(uninterrupted, packed):
    run = RunFolder(packed() / "digits" / "good" / "seed0")
    stopped, pushed_out = jobs("pack", "0")
    assert stopped.state == "CANCELLED" and pushed_out.fields["Restarts"] == "1"
    assert run.record().resumes == 2 and run.record().changed == []
    assert scientific(run) == scientific(uninterrupted())
