"""Users of the group's server: each with a benchmark of the same name, and the commands that they give."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.made_up import benchmark, digits, write_all
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.images.grids import save_grid
from pixelcnn.report.page import build_report
from pixelcnn.results.folder import RunFolder, folder_of

ROOT = Path(__file__).resolve().parents[2]
VARIANTS: dict[str, Any] = {
    "independent": {"model": "independent"},
    "gated": {"model": "gated_pixelcnn", "hyperparameters": {"channels": 32, "blocks": 6}},
}


def made(folder: Path, seeds: int = 1, **keys: Any) -> Benchmark:
    """A finished benchmark `toy` with pictures and a report."""
    result = benchmark(folder, variants=VARIANTS, seeds=list(range(seeds)), **keys)
    write_all(result)
    for spec in result.runs():
        run = RunFolder(folder_of(result).run_of(spec).path)
        images, _ = digits(4, seed=spec.seed)
        save_grid(run.sample_grid, images, 2)
        for epoch in (1, 12):
            save_grid(run.picture(epoch), images.astype(np.uint8), 2)
    build_report(folder_of(result).path)
    return result


def pixelcnn(environment: dict[str, str], *words: str | Path) -> subprocess.Popen[str]:
    """A command of ours as a user gives it."""
    return start(environment, sys.executable, "-m", "pixelcnn", *words)


def start(environment: dict[str, str], *words: str | Path) -> subprocess.Popen[str]:
    """A command in the checkout as in the environment that runs the tests, activated or not; what it says."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        list(map(str, words)),
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The status of a command, and what it said."""
    said, told = process.communicate(timeout=500)
    return process.returncode, said, told
