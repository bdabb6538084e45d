"""Snakemake as a user starts it, and what it planned or did."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pixelcnn.results.folder import ResultsFolder

ROOT = Path(__file__).resolve().parents[2]
#: What stood in the environment when the tests were collected. What libraries and pytest note there later, a
#: fork server would take for another environment than its own.
BEFORE = frozenset(os.environ)
#: The rules that every run goes through.
OF_A_RUN = ("train", "evaluate", "sample", "analyse")


def command(
    folder: Path, *arguments: str, config: str = "toy.yaml", cores: int = 2, **environment: str
) -> dict[str, Any]:
    """How a subprocess runs Snakemake on a benchmark in `folder`."""
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments]
    words += ["--directory", str(folder), "--cores", str(cores), "--configfile", str(folder / config)]
    return {"args": words, "env": {**inherited(), "PYTHONPATH": str(ROOT), **environment}, "cwd": ROOT}


def inherited() -> dict[str, str]:
    """The environment as it was, and our own variables as they are."""
    return {n: value for n, value in os.environ.items() if n in BEFORE or n.startswith("PIXELCNN_")}


def snakemake(folder: Path, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(**command(folder, *arguments, **how), capture_output=True, text=True)


def mlflow_statuses(folder: Path, benchmark: str = "toy", results: str = "results") -> dict[str, str]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{ResultsFolder(folder / results).database}")
    experiment = client.get_experiment_by_name(benchmark)
    runs = client.search_runs([experiment.experiment_id])
    named = [(run.data.tags.get("variant"), run.data.tags.get("seed"), run.info.status) for run in runs]
    return {f"{variant}/{seed}": status for variant, seed, status in named if variant is not None}


def planned_jobs(folder: Path, target: str, *arguments: str, config: str = "toy.yaml") -> dict[str, int]:
    """How many jobs of which rules a dry run would start."""
    planned = snakemake(folder, target, "-n", *arguments, config=config)
    assert planned.returncode == 0, planned.stderr
    return {line.split()[0]: int(line.split()[1]) for line in planned.stdout.splitlines() if is_count(line)}


def is_count(line: str) -> bool:
    words = line.split()
    return len(words) == 2 and words[1].isdigit() and words[0].isalpha()
