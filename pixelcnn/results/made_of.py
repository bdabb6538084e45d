"""What a report, or the choice of a tuning, was made from, as one digest: by that it is known to be of the
records as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.folder import BenchmarkFolder


def report_digest(folder: BenchmarkFolder, benchmark: Benchmark) -> str:
    """SHA-256 over the config and the records of every run, variant and dataset, as hex digits.

    Of the large files, such as samples, the records beside them say how they were made.
    """
    return _digest(folder, _records(folder, benchmark))


def tuning_digest(folder: BenchmarkFolder, benchmark: Benchmark) -> str:
    """The same over the config and the record of every trial: what the choice among them is made from."""
    trials = (folder.run_of(spec).trial_file for spec in benchmark.runs())
    return _digest(folder, [folder.config, *trials])


def _digest(folder: BenchmarkFolder, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"
        digest.update(f"{path.relative_to(folder.path)} {content}\n".encode())
    return digest.hexdigest()


def _records(folder: BenchmarkFolder, benchmark: Benchmark) -> Iterator[Path]:
    yield from (folder.config, folder.plan)
    for dataset in benchmark.datasets:
        yield folder.dataset(dataset).classifier_note
        yield from (folder.cost(dataset, variant) for variant in benchmark.variants)
        if benchmark.audited:
            yield from (folder.audit(dataset, variant) for variant in benchmark.variants)
    for spec in benchmark.runs():
        run = folder.run_of(spec)
        yield from (run.spec_file, run.record_file, run.metrics_file, run.sampled, run.analysis_file)
