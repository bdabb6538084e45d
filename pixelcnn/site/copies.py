"""What a site has of one benchmark: its report and the small records of its runs, without paths."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.folder import BenchmarkFolder, ReportFolder, RunFolder
from pixelcnn.site.private import cleaner, json_without_paths, without_paths

#: The folder of the records, in the benchmark's.
RECORDS = "runs"


def copy_report(report: ReportFolder, target: Path, folders: list[Path]) -> None:
    """The page, the tables and the figures; `folders` are those of this machine that no page must name."""
    for source in (report.page, *report.tables):
        clean = cleaner(source, folders)
        text = source.read_text(encoding="utf-8")
        (target / source.name).write_text(clean(text) if clean else text, encoding="utf-8")
    (target / "figures").mkdir()
    for figure in sorted(report.figures.glob("[!.]*")):
        shutil.copyfile(figure, target / "figures" / figure.name)


def copy_records(
    folder: BenchmarkFolder, benchmark: Benchmark, target: Path
) -> dict[tuple[str, str, int], str]:
    """The records of every run that has any; returns where in `target`, by dataset, variant, seed."""
    found = {}
    for spec in benchmark.runs():
        place = f"{RECORDS}/{spec.dataset_name}/{spec.variant_name}/seed{spec.seed}"
        if _copy_run(folder.run_of(spec), spec, target / place):
            found[spec.dataset_name, spec.variant_name, spec.seed] = place
    for dataset in benchmark.datasets:
        for variant in benchmark.variants:
            for record in (folder.cost(dataset, variant), folder.audit(dataset, variant)):
                _copy_record(record, target / RECORDS / dataset / variant / record.name)
    return found


def _copy_run(run: RunFolder, spec: RunSpec, target: Path) -> bool:
    training = run.training_of(spec.digest)
    records = [training.spec_file, training.record_file, run.metrics_file, run.analysis_file]
    return any([_copy_record(record, target / record.name) for record in (*records, training.history_file)])


def _copy_record(source: Path, target: Path) -> bool:
    """A record without paths, if it is there; a damaged one as it is, which the report tells of."""
    if not source.is_file():
        return False
    text = source.read_text(encoding="utf-8", errors="replace")
    try:
        text = json_text(json_without_paths(json.loads(text)))
    except ValueError:  # a history, or damaged
        text = without_paths(text)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return True


def json_text(value: Any) -> str:
    """Plain data as indented JSON; NaN and infinity are refused."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
