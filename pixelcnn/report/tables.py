"""The two tables for machines: one row a run, and one row a dataset and variant."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from pixelcnn.report.collect import DatasetRuns, Run
from pixelcnn.report.compare import MEASURES, TEST_MEASURES, VariantResult

#: Test results in the table of runs, left empty unless the run counts.
TEST_COLUMNS = (
    *TEST_MEASURES,
    "images",
    "dims",
    "levels",
    "split",
    "data_sha256",
)

#: What the table of runs takes from a run's record.
RECORD_COLUMNS = (
    "parameters",
    "training_seconds",
    "wall_seconds",
    "images_per_second",
    "peak_memory_bytes",
    "epochs",
    "best_epoch",
    "best_valid_nll",
    "stopped_early",
    "device",
    "threads",
    "precision",
    "host",
    "commit",
    "code",
    "resumes",
    "run_id",
    "started",
    "ended",
)


def runs_table(runs: list[Run]) -> pd.DataFrame:
    """One row a run, finished or not, with its units as in `pixelcnn.records`."""
    return pd.DataFrame([_run_row(run) for run in runs])


def _run_row(run: Run) -> dict[str, Any]:
    test = asdict(run.metrics) if run.finished and run.metrics else {}
    record = asdict(run.record) if run.record else {}
    return {
        "dataset": run.spec.dataset_name,
        "variant": run.spec.variant_name,
        "model": run.spec.variant.model,
        "conditional": run.spec.variant.conditional,
        "seed": run.spec.seed,
        "status": str(run.status),
        "detail": run.detail,
        **{key: test.get(key) for key in TEST_COLUMNS},
        "evaluation_seconds": test.get("seconds"),
        **{key: record.get(key) for key in RECORD_COLUMNS},
        "stale": run.stale,
        "digest": record.get("digest"),
        "expected_digest": run.spec.digest,
    }


def comparison_table(datasets: list[tuple[DatasetRuns, list[VariantResult]]]) -> pd.DataFrame:
    """One row a dataset and variant, ranked: `expected` seeds, and each measure over the finished ones."""
    return pd.DataFrame([_variant_row(d, result) for d, results in datasets for result in results])


def _variant_row(dataset: DatasetRuns, result: VariantResult) -> dict[str, Any]:
    row: dict[str, Any] = {
        "dataset": dataset.name,
        "variant": result.name,
        "model": result.variant.spec.model,
        "conditional": result.conditional,
        "rank": result.rank,
        "n": result.n,
        "expected": result.expected,
        "parameters": result.parameters,
        "commits": " ".join(result.variant.commits),
        "stale": result.variant.stale,
    }
    for key in MEASURES:
        summary = result.summaries.get(key)
        for part in ("mean", "sd", "low", "high", "n"):
            empty = 0 if part == "n" else None
            row[f"{key}_{part}"] = getattr(summary, part) if summary else empty
    return row
