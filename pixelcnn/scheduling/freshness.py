"""Whether what lies on disk was made from what the config says now, by the records beside it.

Snakemake compares parameters with those of a job's last run, but not for jobs below one that is to run
itself; and an edited config lets `plan`, on which all depend, run. So the workflow asks here as well.
What is missing counts as current: that it is to be made needs no second reason. What does not say what
it was made from does not. Needs no torch.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import AnalysisSpec, Benchmark, SamplingSpec
from pixelcnn.config.run_spec import RunSpec, dataset_digest
from pixelcnn.results.records import ANALYSIS, CHECKPOINT, METRICS, SAMPLED, SAMPLES, SPEC
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json


def data_is_current(benchmark: Benchmark, dataset: str) -> bool:
    """Whether the prepared arrays are those of the dataset as described, and of one's own file of it."""
    from pixelcnn.data.prepared import read_description  # only here: numpy takes time to import

    path, spec = benchmark.data_file(dataset), benchmark.datasets[dataset]
    if not path.exists():
        return True
    try:
        return read_description(path).get("digest") == dataset_digest(spec)
    except UserError:
        return False


def training_is_current(run_dir: Path, spec: RunSpec) -> bool:
    """Whether the checkpoint is this run's."""
    return not (run_dir / CHECKPOINT).exists() or _value(run_dir / SPEC, "digest") == spec.digest


def evaluation_is_current(run_dir: Path, spec: RunSpec) -> bool:
    """Whether the test results are this run's."""
    return not (run_dir / METRICS).exists() or _value(run_dir / METRICS, "digest") == spec.digest


def samples_are_current(run_dir: Path, spec: RunSpec, sampling: SamplingSpec) -> bool:
    """Whether the samples and completions are this run's, drawn as the config says."""
    return not (run_dir / SAMPLES).exists() or _content(run_dir / SAMPLED) == sampled(spec, sampling)


def sampled(spec: RunSpec, sampling: SamplingSpec) -> dict[str, Any]:
    """What `SAMPLED` says of samples and completions: the training they are of, and how they were drawn."""
    # One by one: a key of `sampling` that changes nothing in the pictures must not have them drawn anew.
    return {
        "digest": spec.digest,
        "images": sampling.images,
        "completions": sampling.completions,
        "temperature": sampling.temperature,
    }


def classifier_is_current(benchmark: Benchmark, dataset: str) -> bool:
    """Whether the classifier was trained on the dataset as described.

    By the dataset's digest, which the config gives: the SHA-256 of data that are to be prepared anew is not
    known yet. (`load_classifier` compares that.)
    """
    path = benchmark.classifier_file(dataset)
    said = _value(path.with_suffix(".json"), "digest")
    return not path.exists() or said == dataset_digest(benchmark.datasets[dataset])


def analysis_is_current(run_dir: Path, spec: RunSpec, analysis: AnalysisSpec) -> bool:
    """Whether the analysis is this run's, as closely looked at as the config says."""
    path, wanted = run_dir / ANALYSIS, analysis_settings(spec, analysis)
    settings = _value(path, "settings") or {}
    made = {key: settings.get(key) for key in wanted}
    return not path.exists() or (_value(path, "digest") == spec.digest and made == wanted)


def analysis_settings(spec: RunSpec, analysis: AnalysisSpec) -> dict[str, Any]:
    """The settings that the analysis of a run depends on: only conditional ones have samples judged."""
    settings = dataclasses.asdict(analysis)
    if not spec.variant.conditional:
        del settings["samples"]
    return settings


def cost_is_current(benchmark: Benchmark, dataset: str, variant: str) -> bool:
    """Whether the cost is this variant's, measured by a run of any of its seeds with the config's threads."""
    path = benchmark.cost_file(dataset, variant)
    digests = {benchmark.run(dataset, variant, seed).digest for seed in benchmark.seeds}
    alike = _value(path, "digest") in digests and _value(path, "threads") == benchmark.threads
    return not path.exists() or alike


def measured_seed(benchmark: Benchmark, dataset: str, variant: str) -> int:
    """The seed by whose run a variant is measured: that of the cost that is there, else the first."""
    named = _value(benchmark.cost_file(dataset, variant), "digest")
    found = (s for s in benchmark.seeds if benchmark.run(dataset, variant, s).digest == named)
    return next(found, benchmark.seeds[0])


def _value(path: Path, key: str) -> Any:
    content = _content(path)
    return content.get(key) if isinstance(content, dict) else None


def _content(path: Path) -> Any:
    """What a JSON file says; None if it is not there or cannot be read, as after a crash of the disk."""
    try:
        return read_json(path)
    except (UserError, OSError):
        return None
