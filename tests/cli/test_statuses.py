"""How a command ends: by its work, by a signal, by the system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.toy import toy

from pixelcnn.cli import main
from pixelcnn.results.folder import RunFolder
from pixelcnn.system.errors import Interrupted, RunFailed, UserError

ROOT = Path(__file__).resolve().parents[2]
MODULE, _, FUNCTION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "scripts"
]["pixelcnn"].partition(":")
#: The two ways to start it: as a module, and by the console script.
DOORS = {
    "module": [sys.executable, "-m", "pixelcnn"],
    "script": [sys.executable, "-c", f"from {MODULE} import {FUNCTION} as start; start()"],
}


def started(door: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run([*DOORS[door], *arguments], capture_output=True, text=True, env=env)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("no such thing"), 2, "error: no such thing"),
        (RunFailed("it diverged"), 1, "failed: it diverged"),
        (OSError(28, "No space left on device", "there"), 1, "failed: there: No space left on device"),
        (
            UnicodeEncodeError("ascii", "é/toy", 0, 1, "ordinal not in range(128)"),
            1,
            "failed: 'é/toy' cannot be said in ascii, the encoding of this locale; PYTHONUTF8=1 in the "
            "environment helps",
        ),
        (Interrupted("stopped"), 75, "stopped; its state is saved, the same command resumes it"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_ends_a_command_decides_its_status(capsys, monkeypatch, error, status, said):
    def build_report(directory):
        raise error

    monkeypatch.setattr("pixelcnn.report.page.build_report", build_report)
    assert main(["report", "there"]) == status
    assert capsys.readouterr().err == f"pixelcnn report: {said}\n"


def test_a_signal_to_end_gives_its_status(monkeypatch):
    monkeypatch.setattr("pixelcnn.report.page.build_report", lambda directory: os.kill(os.getpid(), 15))
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # else a fault would end the tests
    try:
        with pytest.raises(SystemExit) as end:
            main(["report", "there"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == 143


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "toy.yaml"]], ids=" ".join)
def test_a_reader_that_goes_away_is_no_mistake(folder, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}  # the error comes at the end
    with os.fdopen(writing) as gone:
        done = subprocess.run(
            [*DOORS["module"], *arguments], stdout=gone, stderr=subprocess.PIPE, text=True, env=env
        )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("door", DOORS)
def test_both_doors_lead_to_the_same_commands(door):
    assert started(door, "--version").stdout.startswith("pixelcnn ")
    wrong, nothing = started(door, "trian"), started(door)
    assert wrong.returncode == 2 and wrong.stderr.startswith("pixelcnn: error: No such command 'trian'")
    assert nothing.returncode == 2 and "Usage: pixelcnn [OPTIONS] COMMAND" in nothing.stderr


@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("pixelcnn tra", {"train", "track"}),
        ("pixelcnn train --d", {"--dataset", "--digest"}),
        ("pixelcnn no --d", set()),
    ],
)
def test_a_shell_is_told_how_a_line_may_go_on(line, completions):
    assert "_pixelcnn_completion" in started("script", _PIXELCNN_COMPLETE="bash_source").stdout
    count = str(line.count(" "))
    done = started("script", _PIXELCNN_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=count)
    assert done.returncode == 0 and done.stderr == ""
    assert {found.partition(",")[2] for found in done.stdout.split()} == completions


def test_a_loss_that_diverges_fails_with_status_1(folder, capsys):
    toy(folder, training={"epochs": 2, "learning_rate": 1e25, "gradient_clip": 1e30, "warmup_steps": 0})
    main(["prepare", "toy.yaml"])
    assert main(["train", "toy.yaml", "--variant", "base", "--seed", "0"]) == 1
    assert "NaN or infinite" in capsys.readouterr().err
    assert RunFolder(folder / "results/toy/toy/base/seed0").attempt.record().status == "failed"


def test_a_test_likelihood_that_is_not_finite_fails_the_run(folder, capsys):
    import torch

    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    main(["train", *run])
    path = folder / "results/toy/toy/base/seed0/checkpoint.pt"
    good = path.read_bytes()
    content = torch.load(path, weights_only=True)
    next(iter(content["ema_weights"].values())).fill_(float("nan"))
    torch.save(content, path)
    assert main(["evaluate", *run]) == 1 and "21 of 21 images" in capsys.readouterr().err
    record = RunFolder(path.parent).record()
    assert record.status == "failed" and "NaN or infinite" in record.error
    path.write_bytes(good)
    assert main(["evaluate", *run]) == 0
    record = RunFolder(path.parent).record()
    assert record.status == "finished" and record.error is None
