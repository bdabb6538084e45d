"""A toy benchmark of one run that went through the workflow to its report, to go on from."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.snakemake import snakemake
from support.toy import SMALL, toy

from pixelcnn.cli import main
from pixelcnn.results.folder import BenchmarkFolder, ResultsFolder

#: With a space, as a user's folder may have.
RESULTS = "the results"
COND = {"model": "gated", "conditional": True, "hyperparameters": SMALL}
ONE_RUN = {
    "variants": {"cond": COND},
    "seeds": [0],
    "sampling": {"images": 4, "completions": 1},
    "analysis": {"images": 4, "samples": 8},
    "results": RESULTS,
    "runs_per_gpu": 3,
}


@dataclass(frozen=True)
class Finished:
    """A folder with the benchmark and its config, and what the Snakemake said that made it."""

    folder: Path
    said: subprocess.CompletedProcess[str]

    @property
    def results(self) -> BenchmarkFolder:
        return BenchmarkFolder(self.folder / RESULTS / "toy")

    def edit(self, **overrides) -> None:
        """Write the config anew."""
        toy(self.folder, **{**ONE_RUN, **overrides})

    def plan(self, **overrides) -> None:
        """Write it anew, and plan it: after that Snakemake need not have it resolved, which takes seconds."""
        self.edit(**overrides)
        with contextlib.chdir(self.folder):
            assert main(["plan", "toy.yaml"]) == 0

    def copy(self, folder: Path) -> Finished:
        """The same in another folder, with what Snakemake noted of it."""
        shutil.copytree(self.folder, folder)
        return Finished(folder, self.said)


def make(folder: Path, empty_database: Path) -> Finished:
    """Run the workflow."""
    results = ResultsFolder(folder / RESULTS)
    results.mlflow.mkdir(parents=True)
    shutil.copy(empty_database, results.database)
    toy(folder, **ONE_RUN)
    done = snakemake(folder, "report")
    assert done.returncode == 0, done.stdout + done.stderr
    return Finished(folder, done)
