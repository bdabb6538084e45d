"""Several workflows, trainings and GPUs on one machine, and workflows that were killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.snakemake import ROOT, command, mlflow_statuses, snakemake
from support.toy import SMALL, toy
from support.waiting import wait_for

from pixelcnn.results.records import RunFolder
from pixelcnn.system import gpus, locks
from pixelcnn.system.processes import process_alive

HOLD = "import sys; from pathlib import Path; from pixelcnn.system import locks; " \
    "lock = locks.acquire(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"  # fmt: skip


def holding(path: Path) -> subprocess.Popen[str]:
    """A process that holds a lock until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path):
    path = tmp_path / "folder" / ".lock"
    assert locks.holder(path) is None
    process = holding(path)
    assert f"process {process.pid} on " in locks.holder(path)
    with pytest.raises(locks.Locked, match=f"in use by process {process.pid} on .* since "):
        locks.acquire(path)
    told: list[str] = []
    killer = threading.Timer(0.3, process.kill)
    killer.start()
    with locks.acquire(path, wait=True, on_wait=told.append):
        assert len(told) == 1 and f"process {process.pid}" in told[0]
        assert f"process {os.getpid()}" in path.read_text()
    process.wait()
    assert locks.holder(path) is None


def test_a_file_system_without_locks_is_no_hindrance(tmp_path, monkeypatch):
    def refuse(stream, how):
        raise OSError(locks.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with locks.acquire(tmp_path / "a"), locks.acquire(tmp_path / "a"):
        pass


def test_every_gpu_is_taken_before_one_is_shared(tmp_path):
    def claim(**options):
        return gpus.claim(["GPU-a", "GPU/b"], folder=tmp_path, **options)

    first, second = claim(), claim()
    assert (first.index, second.index) == (0, 1)
    shared = [claim(runs_per_gpu=2) for _ in range(2)]
    assert [place.index for place in shared] == [0, 1]
    told: list[str] = []
    threading.Timer(0.3, second.release).start()
    assert claim(on_wait=told.append).index == 1
    assert len(told) == 1 and "all 2 are taken" in told[0]


def test_a_place_on_a_gpu_is_free_when_its_process_is_gone(tmp_path):
    process = holding(tmp_path / "GPU-a.0.lock")
    threading.Timer(0.3, process.kill).start()
    assert gpus.claim(["GPU-a"], folder=tmp_path).index == 0
    process.wait()


@pytest.mark.parametrize(("visible", "wanted"), [("0,1", "1"), ("", "0"), ("-1", "0")])
def test_the_workflow_counts_places_on_gpus(tmp_path, monkeypatch, visible, wanted):
    toy(tmp_path, runs_per_gpu=3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    planned = snakemake(tmp_path, "report", "-n")
    assert planned.returncode == 0, planned.stderr
    assert set(re.findall(r"resources:.*\bgpu=(\d+)", planned.stdout)) == {wanted}
    if visible == "0,1":
        done = snakemake(tmp_path, "results/toy/config.json")
        assert re.search(r"Provided resources: .*gpu.*\b6\b", done.stdout + done.stderr)


def test_a_second_workflow_is_sent_away_and_a_killed_one_goes_on(tmp_path):
    toy(
        tmp_path,
        variants={"base": {"model": "pixelcnn", "hyperparameters": SMALL}},
        seeds=[0],
        training={"epochs": 300, "batch_size": 16},
    )
    run = RunFolder(tmp_path / "results" / "toy" / "toy" / "base" / "seed0")
    first = subprocess.Popen(**command(tmp_path, "report"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(lambda: len(run.history()) >= 2)

    second = snakemake(tmp_path, "report")
    said = second.stdout + second.stderr
    assert second.returncode != 0 and first.poll() is None
    assert "Another snakemake works on results/toy, so this one did nothing: wait for its end." in said
    assert f"process {first.pid} on " in said and "Traceback" not in said

    first.send_signal(signal.SIGKILL)
    first.communicate()
    orphan = run.record()
    assert orphan.status == "running" and process_alive(orphan.pid), "its training goes on"
    again = snakemake(tmp_path, "report")
    assert again.returncode == 0, again.stdout + again.stderr
    record = run.record()
    assert record.status == "finished" and record.run_id == orphan.run_id
    assert [line["epoch"] for line in run.history()] == list(range(1, 301))
    log = (tmp_path / "results" / "toy" / "logs" / "train-toy-base-seed0.log").read_text()
    assert f"waits for process {orphan.pid} on " in log
    assert mlflow_statuses(tmp_path) == {"base/0": "FINISHED"}


def test_two_benchmarks_side_by_side_do_not_disturb_each_other(tmp_path):
    names = ("one", "two")
    started = []
    for name in names:
        path = toy(tmp_path, benchmark=name, seeds=[0]).rename(tmp_path / f"{name}.yaml")
        options = command(tmp_path, "report", config=path.name)
        started.append(
            subprocess.Popen(**options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    for process in started:
        said, _ = process.communicate()
        assert process.returncode == 0, said
        assert "MLflow has not got everything" not in said
    for name in names:
        assert mlflow_statuses(tmp_path, name) == {"base/0": "FINISHED", "cond/0": "FINISHED"}
        assert (tmp_path / "results" / name / "report" / "index.html").exists()


def test_after_ctrl_c_the_same_command_goes_on(tmp_path):
    variants = {"base": {"model": "pixelcnn", "hyperparameters": SMALL}}
    toy(tmp_path, variants=variants, seeds=[0], training={"epochs": 300, "batch_size": 16})
    run = RunFolder(tmp_path / "results" / "toy" / "toy" / "base" / "seed0")
    workflow = subprocess.Popen(
        **command(tmp_path, "report"),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # In the background of a script SIGINT is ignored, and children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: len(run.history()) >= 2)
    os.killpg(workflow.pid, signal.SIGINT)  # a terminal sends it to all of them
    assert workflow.wait(timeout=60) != 0
    stopped = run.record()
    assert stopped.status == "interrupted" and stopped.epochs < 300
    assert mlflow_statuses(tmp_path) == {"base/0": "KILLED"}

    again = snakemake(tmp_path, "report")
    assert again.returncode == 0, again.stdout + again.stderr
    record = run.record()
    assert (record.status, record.resumes, record.run_id) == ("finished", 1, stopped.run_id)
    assert mlflow_statuses(tmp_path) == {"base/0": "FINISHED"}
