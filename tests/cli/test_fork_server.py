"""A command that begins in a fork of the server is, for whoever started it, the command itself."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.toy import Hold, held_toy, toy
from support.waiting import wait_for

from pixelcnn.cli import fork_server, main
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import BenchmarkFolder, RunFolder, folder_of
from pixelcnn.scheduling import hooks
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system import forked
from pixelcnn.system.processes import process_alive

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the server forks on Linux only")


class Served:
    """A server of a copy of the package, which a test may edit, and commands that may find it."""

    def __init__(self, place: Path) -> None:
        self.package = place / "pixelcnn"
        shutil.copytree(ROOT / "pixelcnn", self.package, ignore=shutil.ignore_patterns("__pycache__"))
        os.environ["PYTHONPATH"] = str(place)
        self.server = hooks.ForkServer(BenchmarkFolder(place / "served"), threads=1)
        self.server.start()
        self.environment = os.environ | dict.fromkeys(hooks.THREADS, "1")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "pixelcnn", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=self.environment | variables)

    def run(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **variables)
        out, err = process.communicate()
        return process.returncode, out, re.sub(r"\d+ images/s", "", err)

    @property
    def refused(self) -> str:
        """What the server said of commands that it did not take."""
        return self.server.log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("served")
        patch.chdir(place)  # Python looks for the package here first
        patch.setenv("PYTHONPATH", "")
        patch.delenv(forked.ADDRESS, raising=False)
        found = Served(place)
        yield found
        found.server.finish()
        assert forked.ADDRESS not in os.environ


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def held(folder: Path) -> tuple[Hold, RunFolder, list[str]]:
    """A training that waits in its middle, and has long to go: what holds it, its run, its command."""
    path = held_toy(folder, training={"epochs": 400, "batch_size": 16, "warmup_steps": 2})
    for command in ("plan", "prepare"):
        assert main([command, str(path)]) == 0
    benchmark = load_resolved(path)
    run = folder_of(benchmark).run_of(benchmark.runs()[0])
    return Hold(folder), run, ["train", str(path), "--variant", "held", "--seed", "0", "--threads", "1"]


def test_statuses_outputs_and_weights_are_those_of_a_process_of_its_own(served, tmp_path, monkeypatch):
    found = []
    for name, address in (("with", served.environment[forked.ADDRESS]), ("without", "none")):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        toy(tmp_path / name)
        main(["plan", "toy.yaml"])
        main(["prepare", "toy.yaml"])
        run = ["toy.yaml", "--variant", "base", "--threads", "1", "--seed"]
        variables = {forked.ADDRESS: address}
        done = [served.run("train", *run, seed, **variables) for seed in ("0", "7")]
        made = checkpoint.load(Path("results/toy/toy/base/seed0/checkpoint.pt"))
        found.append((done, {name: value.tolist() for name, value in made.weights.items()}))
    assert [status for status, *_ in found[0][0]] == [0, 2]
    assert found[0] == found[1]
    assert served.refused == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_to_who_asked_lets_the_training_save_its_state(served, folder, number):
    hold, run, command = held(folder)
    asked = served.start(*command)
    wait_for(lambda: bool(hold.trainings()))
    (training,) = hold.trainings()
    assert training != asked.pid, "it did not begin in a fork"
    asked.send_signal(number)
    if number == signal.SIGKILL:
        asked.wait()
    hold.release()
    wait_for(lambda: not process_alive(training))
    said = asked.communicate()[1]
    if number == signal.SIGTERM:
        assert asked.returncode == 75 and "its state is saved" in said
    assert run.attempt.record().status == "interrupted"


def state_of(process: int) -> str:
    """As Linux has it: T is stopped."""
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def test_a_training_is_paused_with_who_asked_for_it(served, folder):
    hold, _, command = held(folder)
    asked = served.start(*command)
    wait_for(lambda: bool(hold.trainings()))
    (training,) = hold.trainings()
    asked.send_signal(signal.SIGTSTP)
    wait_for(lambda: (state_of(training), state_of(asked.pid)) == ("T", "T"))
    asked.send_signal(signal.SIGCONT)
    wait_for(lambda: "T" not in (state_of(training), state_of(asked.pid)))
    asked.send_signal(signal.SIGTERM)
    hold.release()
    asked.communicate()
    assert asked.returncode == 75


def test_a_package_that_was_edited_is_loaded_anew(served, folder):
    version = served.package / "__init__.py"
    was = version.read_text(encoding="utf-8")
    version.write_text(was.replace('__version__ = "', '__version__ = "edited '), encoding="utf-8")
    try:
        status, said, _ = served.run("--version")
    finally:
        version.write_text(was, encoding="utf-8")
    assert status == 0 and said.startswith("pixelcnn edited ")
    assert "the package was edited" in served.refused


def test_a_command_with_another_environment_starts_in_the_usual_way(served, folder):
    assert served.run("--version", OMP_NUM_THREADS="2")[0] == 0
    assert "another OMP_NUM_THREADS" in served.refused


def test_a_fork_that_fails_concerns_one_command(folder, monkeypatch, capsys):
    def no_more() -> int:
        raise BlockingIOError("no more processes")

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "server"))
    listening.listen()
    monkeypatch.setenv(forked.ADDRESS, str(folder / "server"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", "pixelcnn", "--version"]
    pipe, environment = subprocess.PIPE, dict(os.environ)
    with listening, subprocess.Popen(command, stdout=pipe, text=True, env=environment) as asked:
        server = fork_server.Server(listening, forked.loaded_by(), fork_server.package_digest())
        monkeypatch.setattr(os, "fork", no_more)
        try:
            assert server._take() is None
        except BlockingIOError:
            asked.kill()  # it would wait for an answer
            raise
        assert asked.stdout is not None and asked.stdout.read().startswith("pixelcnn ")
    assert asked.returncode == 0
    assert "no more processes" in capsys.readouterr().err


def test_the_end_of_the_server_ends_trainings_and_commands_go_on_without(served, folder):
    hold, run, command = held(folder)
    asked = served.start(*command)
    wait_for(lambda: bool(hold.trainings()))
    (training,) = hold.trainings()
    server = int(Path(f"/proc/{training}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    assert server not in (asked.pid, os.getpid())
    os.kill(server, signal.SIGKILL)
    assert asked.wait() == 128 + signal.SIGTERM
    hold.release()
    wait_for(lambda: not process_alive(training))
    assert "the fork server was killed" in asked.communicate()[1]
    assert run.attempt.record().status == "interrupted"
    assert served.run("--version")[0] == 0


def test_what_snakefiles_note_for_jobs_is_among_what_may_differ():
    files = ("Snakefile", "workflow/rules/common.smk", "pixelcnn/scheduling/gpus.py")
    text = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    assert set(re.findall(r'"(PIXELCNN_[A-Z_]+)"', text)) == set(forked.OF_SNAKEFILES) < forked.FREE
