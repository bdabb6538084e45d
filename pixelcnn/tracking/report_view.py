"""What MLflow should say about a benchmark as a whole: one run with the report and its comparison."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.folder import BenchmarkFolder, ReportFolder
from pixelcnn.system import files
from pixelcnn.system.errors import UserError
from pixelcnn.tracking.layout import comparison_columns, comparison_metric
from pixelcnn.tracking.view import (
    KIND_TAG,
    RUN_ID_TAG,
    Artifact,
    Point,
    RunView,
    file_artifact,
    preview,
    preview_note,
)

REPORT = "report"
TITLE = "Report and comparison"  # a capital: sorted by name, it comes before variants


def read_report(directory: Path, benchmark: Benchmark, origin: str) -> RunView | None:
    """The view of the report in a benchmark's folder, None if there is none.

    MLflow never forgets a metric of a run. So a report of other variants, or of fewer with a result, is
    another run, which replaces this one.

    Raises:
        UserError: if a file of it cannot be read.
    """
    report = BenchmarkFolder(directory).report
    page = report.page
    if not page.is_file():
        return None
    try:
        moment = page.stat().st_mtime_ns // 1_000_000
        points = _comparison(report.comparison, benchmark, moment)
        artifacts = _artifacts(benchmark, report)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{report.comparison}: cannot make sense of it: {error}") from error
    except OSError as error:
        raise UserError(f"{error.filename or page}: cannot read it: {error.strerror}") from error
    keys = hashlib.sha256(" ".join(sorted(point.key for point in points)).encode()).hexdigest()[:12]
    return RunView(
        name=REPORT,
        title=TITLE,
        run_id=f"{REPORT}-{origin}-{keys}",
        status="FINISHED",
        started=moment,
        ended=None,
        params={},
        tags={
            KIND_TAG: REPORT,
            RUN_ID_TAG: f"{REPORT}-{origin}-{keys}",
            "mlflow.source.name": f"pixelcnn report {directory}",
            "mlflow.source.type": "LOCAL",
        },
        series={},
        finals=points,
        artifacts=artifacts,
        history=[],
        note=_note(benchmark, report),
    )


def _plot(benchmark: Benchmark, report: ReportFolder) -> Path | None:
    """The NLL of the variants, on the first dataset."""
    path = report.figures / f"{next(iter(benchmark.datasets))}.nll.png"
    return path if path.is_file() else None


def _note(benchmark: Benchmark, report: ReportFolder) -> str:
    shown = [preview_note("NLL of the variants")] if _plot(benchmark, report) else []
    words = (
        "The whole report is `index.html` under Artifacts. The metrics are those of its `comparison.csv`, "
        "over seeds, as COLUMN/VARIANT."
    )
    return "\n\n".join([*shown, words])


def _comparison(path: Path, benchmark: Benchmark, moment: int) -> list[Point]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [
        Point(
            comparison_metric(benchmark, column, row["dataset"], row["variant"]), float(row[column]), moment
        )
        for row in rows
        for column in comparison_columns()
        if row.get(column)
    ]


def _artifacts(benchmark: Benchmark, report: ReportFolder) -> list[Artifact]:
    files_of_it = (report.page, *report.tables)
    artifacts = [file_artifact(path.name, path) for path in files_of_it if path.is_file()]
    figures = sorted(path for path in report.figures.glob("[!.]*") if path.is_file())
    if figures:
        # One digest for all: MLflow keeps what was uploaded in a tag, which must not be long.
        content = "".join(f"{path.name} {files.sha256(path)}\n" for path in figures)
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        artifacts.append(Artifact(report.figures.name, report.figures, digest, "folder"))
    if plot := _plot(benchmark, report):
        artifacts.append(preview(plot))
    return artifacts
