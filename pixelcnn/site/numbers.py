"""The entry of a benchmark in numbers.json: the tables that its report wrote, as they are."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.folder import BenchmarkFolder, ReportFolder
from pixelcnn.site.columns import (
    FINDING,
    PAIR,
    PARTS,
    RUN,
    VARIANT,
    Columns,
    run_metrics,
    summarized_metrics,
    typed,
)
from pixelcnn.site.private import json_without_paths
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json

Row = dict[str, Any]


def numbers_of(folder: BenchmarkFolder, benchmark: Benchmark) -> Row:
    """What numbers.json says of a benchmark whose report is current.

    Raises:
        UserError: if a table is missing or damaged.
    """
    report, truths = folder.report, planned(folder, "truth")
    runs = [_run(row, report.metrics) for row in _rows(report.metrics)]
    variants = [_variant(row, report.comparison, truths) for row in _rows(report.comparison)]
    ends = [run["ended"] for run in runs if run["ended"] and run["status"] == "finished"]
    entry = {
        "name": benchmark.benchmark,
        "title": benchmark.title or benchmark.benchmark,
        "note": benchmark.note or None,
        "date": max(ends, default=None),
        "seeds": list(benchmark.seeds),
        "datasets": [
            _dataset(name, spec.source, variants, report) for name, spec in benchmark.datasets.items()
        ],
        "variants": variants,
        "models": [],  # added once they are copied
        "pairs": [_facts(row, PAIR, report.pairs) for row in _rows(report.pairs)],
        "findings": [_facts(row, FINDING, report.findings) for row in _rows(report.findings)],
        "runs": runs,
    }
    cleaned: Row = json_without_paths(entry)
    return cleaned


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except OSError as error:
        raise UserError(f"{table}: {error.strerror}; `pixelcnn report` writes it") from error


def _run(row: dict[str, str], table: Path) -> Row:
    facts = _facts(row, RUN, table)
    values = {m.key: typed(_cell(row, m.key, table), "number", f"{table}: {m.key}") for m in run_metrics()}
    return facts | {"records": None, "metrics": values}


def _variant(row: dict[str, str], table: Path, truths: set[tuple[str, str]]) -> Row:
    facts = _facts(row, VARIANT, table)
    summaries = {
        metric.key: {
            part: typed(_cell(row, f"{metric.key}_{part}", table), kind, f"{table}: {metric.key}_{part}")
            for part, (kind, _) in PARTS.items()
        }
        for metric in summarized_metrics()
    }
    return facts | {"truth": (facts["dataset"], facts["variant"]) in truths, "metrics": summaries}


def _facts(row: dict[str, str], columns: Columns, table: Path) -> Row:
    return {
        name: typed(_cell(row, name, table), kind, f"{table}: {name}") for name, (kind, _) in columns.items()
    }


def _cell(row: dict[str, str], name: str, table: Path) -> str:
    if row.get(name) is None:
        raise UserError(f"{table}: no column {name}; `pixelcnn report` writes the table anew")
    return row[name]


def planned(folder: BenchmarkFolder, key: str) -> set[tuple[str, str]]:
    """Dataset and name of the variants for which plan.json sets `key`, such as "baseline" or "truth"."""
    plan = read_json(folder.plan) if folder.plan.exists() else {}
    return {(data, name) for data, sizes in plan.items() for name, size in sizes.items() if size.get(key)}


def _dataset(name: str, source: str, variants: list[Row], report: ReportFolder) -> Row:
    ranked = [v for v in variants if v["dataset"] == name and v["rank"] and not v["truth"]]
    best = min(ranked, key=lambda variant: variant["rank"])["variant"] if ranked else None
    pictures = [report.figures / f"{name}.samples.{best}.png", report.figures / f"{name}.nll.png"]
    found = next((path for path in pictures if path.is_file()), None)
    return {
        "name": name,
        "source": source,
        "best": best,
        "picture": found and found.relative_to(report.path).as_posix(),
    }
