"""The sections of the report, a file each with its templates beside it; `SECTIONS` is their order.

A section builds tables, figures and captions from what is known of a dataset or of the benchmark, and knows
nothing of the other sections. Called by `report.page`.
"""

from __future__ import annotations

from pixelcnn.report.sections import (
    agreement,
    below_truth,
    bits,
    completions,
    cost,
    findings,
    learning,
    mixture,
    neighbours,
    over_time,
    overfitting,
    paid,
    pairs,
    published,
    remarks,
    results,
    runs,
    samples,
    sees,
    summary,
    truth,
    tuning,
    unfinished,
    what_was_run,
)
from pixelcnn.report.sections.base import OfBenchmark, OfDataset

#: Those of a dataset that follow each other stand together, dataset by dataset.
SECTIONS: list[OfBenchmark | OfDataset] = [
    below_truth.SECTION,
    unfinished.SECTION,
    summary.SECTION,
    remarks.SECTION,
    results.SECTION,
    truth.SECTION,
    paid.SECTION,
    mixture.SECTION,
    published.SECTION,
    findings.SECTION,
    pairs.SECTION,
    learning.SECTION,
    overfitting.SECTION,
    tuning.SECTION,
    sees.SECTION,
    bits.SECTION,
    samples.SECTION,
    agreement.SECTION,
    neighbours.SECTION,
    completions.SECTION,
    cost.SECTION,
    over_time.SECTION,
    runs.SECTION,
    what_was_run.SECTION,
]
