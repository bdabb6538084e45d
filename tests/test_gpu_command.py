"""`python -m benchmarks.gpu`, on a machine without a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from benchmarks.on_gpu import checks, networks, speed
from benchmarks.on_gpu.lines import Line, Setting
from pixelcnn.training import stacked

CPU = ["--device", "cpu", "--quick"]


@pytest.fixture
def one_case(monkeypatch):
    """Of all networks one."""
    case = ("gated, conditional", networks.variant("gated", True, **networks.SMALL))
    monkeypatch.setattr(checks, "cases", lambda: iter([case]))
    monkeypatch.setattr(speed, "STACKS", (1, 2))


def printed(capsys, arguments):
    status = gpu.main([*CPU, *arguments])
    return status, capsys.readouterr().out.splitlines()


def test_on_a_cpu_it_tries_what_can_be_tried_there(capsys, one_case):
    status, (machine, *lines, end) = printed(capsys, [])
    assert f"torch {torch.__version__}" in machine
    assert status == 0 and end == "no check failed"
    for words in ("placement", "log-likelihood", "fast sampler, rows", "seeds stacked and alone", "NaN",
                  "resumed, deterministic", "eager", "stacked seeds: 2", "sampling"):  # fmt: skip
        assert any(words in line and line.endswith(" ok") for line in lines), words
    apart = [line for line in lines if not line.endswith(" ok")]
    assert len(apart) == 5 and all("not possible here: " in line for line in apart)


def test_a_check_that_fails_stops_no_other(capsys, monkeypatch, one_case):
    monkeypatch.setattr(stacked, "CLIP_EPSILON", 1.0)
    monkeypatch.setitem(gpu.PARTS, "agreement", lambda setting: 1 / 0)
    status, (_, *lines, end) = printed(capsys, ["--only", "agreement", "seeds", "placement"])
    assert status == 1 and end == "3 FAILED"
    assert "FAILED: ZeroDivisionError" in lines[0]
    assert all("FAILED: wanted < 1e-09" in line for line in lines[1:3])
    assert lines[4].startswith("placement") and lines[4].endswith(" ok")


def test_what_is_left_on_the_cpu_is_a_failure(monkeypatch, one_case):
    """`meta` stands for a GPU that a tensor did not get to."""
    monkeypatch.setattr(checks, "tree_leaves", lambda found: [torch.zeros(1, device="meta")])
    (line,) = checks.placement(Setting(torch.device("cpu"), quick=True))
    assert line.failed and line.figure.startswith("1 of ")


def test_without_a_gpu_it_says_so(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert capsys.readouterr().err == f"{gpu.NO_GPU}\n"


def test_a_part_whose_process_dies_is_a_failure(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    (line,) = gpu.lines_of_process("placement", Setting(torch.device("cpu"), quick=True))
    assert line == Line("the part placement", verdict="FAILED: its process ended with 1")


def test_it_runs_in_a_process_of_its_own_with_torch_and_little_else():
    absent = [
        "snakemake",
        "mlflow",
        "mlxtend",
        "pydantic",
        "yaml",
        "pandas",
        "seaborn",
        "scipy",
        "matplotlib",
    ]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent})); from benchmarks import gpu\n"
        "gpu.checks.cases = lambda cases=gpu.checks.cases: list(cases())[3:4]\n"
        f"sys.exit(gpu.main({[*CPU, '--only', 'samplers', 'resume', 'sampling']}))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
