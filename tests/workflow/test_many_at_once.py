"""Several workflows on one machine, and workflows that were stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.snakemake import command, mlflow_statuses, snakemake
from support.toy import held_toy
from support.waiting import wait_for

from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.scheduling.hooks import NO_FORK_SERVER
from pixelcnn.system import forked
from pixelcnn.system.processes import process_alive

#: The training of `held_toy`, and nothing that comes after it.
TRAINED = "results/{}/toy/held/seed0/checkpoint.pt"

pytestmark = pytest.mark.slow


def started(folder, benchmark="toy", environment=None, **options):
    arguments = command(folder, TRAINED.format(benchmark), config=f"{benchmark}.yaml", **(environment or {}))
    return subprocess.Popen(
        **arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def text_of(log: Path) -> str:
    """What a log says by now; Snakemake removes the one of the job before at a moment of its own."""
    try:
        return log.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def test_a_second_workflow_is_sent_away_and_a_killed_one_goes_on(tmp_path, hold):
    held_toy(tmp_path, tracking={"enabled": False})
    folder = BenchmarkFolder(tmp_path / "results" / "toy")
    run = folder.run("toy", "held", 0)
    first = started(tmp_path)
    wait_for(hold.trainings)

    second = snakemake(tmp_path, TRAINED.format("toy"))
    said = second.stdout + second.stderr
    assert second.returncode != 0 and first.poll() is None
    assert "Another snakemake works on results/toy, so this one did nothing: wait for its end." in said
    assert f"process {first.pid} on " in said and "Traceback" not in said

    first.kill()
    first.wait()
    orphan = run.attempt.record()
    assert orphan.status == "running" and process_alive(orphan.pid), "its training goes on"
    again, log = started(tmp_path), folder.log("train", "toy", "held", "seed0")
    wait_for(lambda: f"waits for process {orphan.pid} on " in text_of(log))
    hold.release()
    said, _ = again.communicate()
    assert again.returncode == 0, said
    record = run.record()
    assert (record.status, record.run_id, record.pid) == ("finished", orphan.run_id, orphan.pid)
    assert [line["epoch"] for line in run.history()] == [1, 2, 3, 4]
    assert hold.trainings() == [orphan.pid], "nothing was trained twice"


def parent_of(process: int) -> str:
    """The command of a process's parent, as Linux tells it."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (parent,) = (line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
    return Path(f"/proc/{parent}/cmdline").read_text(encoding="utf-8")


def test_two_benchmarks_side_by_side_do_not_disturb_each_other_not_even_by_ctrl_c(
    tmp_path, hold, fork_server
):
    """One is stopped while both train, and goes on with the same command; they share a new database.

    That one starts a fork server of its own, which Ctrl-C must not reach; the other takes that of the tests.
    """
    for name in ("one", "two"):
        held_toy(tmp_path, benchmark=name).rename(tmp_path / f"{name}.yaml")
    # In the background of a script SIGINT is ignored, and children would inherit that.
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    given = {"one": {}, "two": {forked.ADDRESS: fork_server}}
    workflows = [started(tmp_path, *both, start_new_session=True, **heard) for both in given.items()]
    wait_for(lambda: len(hold.trainings()) == 2, seconds=120)
    if fork_server != NO_FORK_SERVER:
        assert all("pixelcnn.cli.fork_server" in parent_of(training) for training in hold.trainings())
    os.killpg(workflows[0].pid, signal.SIGINT)  # a terminal sends it to all of them
    hold.release()
    told = [process.communicate()[0] for process in workflows]
    assert workflows[0].returncode != 0 and workflows[1].returncode == 0, told
    assert not any("MLflow has not got everything" in said for said in told)
    run, other = (BenchmarkFolder(tmp_path / "results" / n).run("toy", "held", 0) for n in ("one", "two"))
    stopped, went = run.attempt.record(), other.record()
    assert stopped.status == "interrupted" and stopped.epochs < 4
    assert (went.status, went.resumes) == ("finished", 0)
    assert mlflow_statuses(tmp_path, "one") == {"held/0": "KILLED"}
    assert mlflow_statuses(tmp_path, "two") == {"held/0": "FINISHED"}

    # Without a tracker, which takes seconds to start: what it shows of such a run, tests/tracking asks.
    again = snakemake(tmp_path, TRAINED.format("one"), "--no-hooks", config="one.yaml")
    assert again.returncode == 0, again.stdout + again.stderr
    record = run.record()
    assert (record.status, record.resumes, record.run_id) == ("finished", 1, stopped.run_id)
