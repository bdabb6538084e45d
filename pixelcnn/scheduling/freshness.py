"""Whether what lies on disk was made from what the config says now, by the records beside it.

Contents decide, not the times of files: a copy is as current as its original, however it was copied. The
workflow asks here for every job, and tells Snakemake to look at no times of what is current. What is missing
counts as current: that it is to be made needs no second reason. What does not say what it was made from does
not. Needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.folder import folder_of
from pixelcnn.results.made_of import report_digest, tuning_digest
from pixelcnn.scheduling.kinds import KINDS
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json


def is_current(kind: str, benchmark: Benchmark, runs: Sequence[RunSpec]) -> bool:
    """Whether what a job of this kind made for these runs is what the config asks for now."""
    entry, folder = KINDS[kind], folder_of(benchmark)
    first, *others = entry.makes(folder, runs[0])
    exported = kind == "train" and folder.run_of(runs[0]).model.exists()  # stands for the checkpoint
    if not first.exists() and not exported:
        return True
    if not all(path.exists() for path in others):
        return False
    return _agrees(entry.said(folder, runs[0]), entry.wanted(benchmark, runs))


def run_id_of(benchmark: Benchmark, run: RunSpec) -> str | None:
    """The id of the training that a run's folder holds; None if it says none."""
    try:
        said = read_json(folder_of(benchmark).run_of(run).record_file)
    except UserError:
        return None
    return said.get("run_id") if isinstance(said, dict) else None


def plan_is_current(benchmark: Benchmark) -> bool:
    """Whether the plan is of this benchmark, or is missing."""
    folder = folder_of(benchmark)
    if not folder.config.exists():
        return True
    try:
        planned = read_json(folder.config)
    except UserError:  # damaged
        return False
    return bool(planned == json.loads(json.dumps(benchmark.to_json())))


def report_is_current(benchmark: Benchmark) -> bool:
    """Whether the report is of all runs, as their records are now, or is missing."""
    folder = folder_of(benchmark)
    report = folder.report
    if not report.page.exists():
        return True
    if not (report.whole.exists() and report.made_of.exists()):
        return False
    return report.made_of.read_text(encoding="utf-8") == report_digest(folder, benchmark)


def tuned_is_current(benchmark: Benchmark) -> bool:
    """Whether the config that was chosen is of all trials, as their records are now, or is missing."""
    folder = folder_of(benchmark)
    if not folder.tuned.exists():
        return True
    if not (folder.tuned_of.exists() and folder.trials.exists()):
        return False
    return folder.tuned_of.read_text(encoding="utf-8") == tuning_digest(folder, benchmark)


def measured_run(benchmark: Benchmark, runs: Sequence[RunSpec]) -> RunSpec:
    """Which of a variant's runs measures it: that of the cost that is there, else the first."""
    said = KINDS["measure"].said(folder_of(benchmark), runs[0])
    named = said.get("digest") if isinstance(said, dict) else None
    return next((run for run in runs if run.digest == named), runs[0])


def _agrees(said: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(said, dict) and all(_agrees(said.get(key), wanted[key]) for key in wanted)
    return any(said == one for one in wanted) if isinstance(wanted, set) else bool(said == wanted)
