"""Small benchmarks through the throw-away cluster: starting them, and what SLURM says of their jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from slurm import cluster

ROOT = Path(__file__).resolve().parents[2]


def benchmark(folder: Path, name: str, variants: dict[str, Any], **keys: Any) -> Path:
    """A config of small real digits in `folder`; returns where its results will be."""
    value = {
        "benchmark": name,
        "datasets": {"digits": {"source": "mnist5k", "image_size": 7, "levels": 4}},
        "variants": variants,
        "seeds": [0],
        # Which precision is faster can be another each time that it is measured.
        "training": {"epochs": 16, "batch_size": 64, "precision": "float32"},
        "saving": {"minutes": None, "epochs": 1},
        "sampling": {"images": 4, "completions": 1},
        **keys,
    }
    (folder / f"{name}.yaml").write_text(json.dumps(value), encoding="utf-8")
    return folder / "results" / name


def profile() -> list[str]:
    """The cluster's profile, and what this cluster needs beside it."""
    # There is no accounting database here, which `sacct` would ask.
    options = ["--slurm-status-command", "squeue", "--slurm-no-account"]
    # So long after a job has ended the plugin asks again; each time that none has, it waits 10 s longer.
    options += ["--slurm-init-seconds-before-status-checks", "7"]
    return ["--profile", str(ROOT / "profiles" / "slurm"), *options]


def start(folder: Path, name: str, *arguments: str) -> subprocess.Popen[str]:
    """Snakemake on a benchmark, in the background; what it prints goes to a log beside the config."""
    # Ctrl-C is ignored in the background of a shell, and so in its children; here it is not.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "snakemake", *arguments]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / f"{name}.yaml")]
    with (folder / f"{name}.log").open("a", encoding="utf-8") as stream:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=stream,
            stderr=stream,
            text=True,
        )


@dataclass(frozen=True)
class Job:
    """What SLURM says of a job."""

    fields: dict[str, str]

    @property
    def number(self) -> str:
        return self.fields["JobId"]

    @property
    def state(self) -> str:
        return self.fields["JobState"]

    @property
    def minutes(self) -> float:
        """Its time limit."""
        hours, minutes, seconds = map(int, self.fields["TimeLimit"].split(":"))
        return hours * 60 + minutes + seconds / 60

    @property
    def started(self) -> datetime:
        return datetime.fromisoformat(self.fields["StartTime"])

    @property
    def ended(self) -> datetime:
        return datetime.fromisoformat(self.fields["EndTime"])

    @property
    def resources(self) -> dict[str, str]:
        """What was asked for, such as cpu, mem and gres/gpu."""
        return dict(part.split("=", 1) for part in self.fields["TRES"].split(","))


def jobs(rule: str, *wildcards: str) -> list[Job]:
    """SLURM's jobs of a rule with these values of its wildcards, the first one first."""
    comment = f"rule_{rule}_wildcards_{'_'.join(wildcards)}"
    return [job for job in every_job() if job.fields.get("Comment") == comment]


def every_job() -> list[Job]:
    """All jobs that the cluster has had, the first one first."""
    return [_job(line) for line in cluster.output("scontrol", "show", "job", "--oneliner").splitlines()]


def job_of(number: str) -> Job:
    """One job by its number."""
    return _job(cluster.output("scontrol", "show", "job", "--oneliner", number))


def _job(line: str) -> Job:
    return Job(dict(word.split("=", 1) for word in line.split() if "=" in word))
