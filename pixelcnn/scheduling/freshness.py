"""Whether what lies on disk was made from what the config says now, by the records beside it.

Snakemake compares parameters with those of a job's last run, but not for jobs below one that is to run
itself; and an edited config lets `plan`, on which all depend, run. So the workflow asks here as well.
What is missing counts as current: that it is to be made needs no second reason. What does not say what
it was made from does not. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling.kinds import KINDS


def is_current(kind: str, benchmark: Benchmark, runs: Sequence[RunSpec]) -> bool:
    """Whether what a job of this kind made for these runs is what the config asks for now."""
    entry, folder = KINDS[kind], folder_of(benchmark)
    if not entry.made(folder, runs[0]).exists():
        return True
    return _agrees(entry.said(folder, runs[0]), entry.wanted(benchmark, runs))


def measured_run(benchmark: Benchmark, runs: Sequence[RunSpec]) -> RunSpec:
    """Which of a variant's runs measures it: that of the cost that is there, else the first."""
    said = KINDS["measure"].said(folder_of(benchmark), runs[0])
    named = said.get("digest") if isinstance(said, dict) else None
    return next((run for run in runs if run.digest == named), runs[0])


def _agrees(said: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(said, dict) and all(_agrees(said.get(key), wanted[key]) for key in wanted)
    return any(said == one for one in wanted) if isinstance(wanted, set) else bool(said == wanted)
