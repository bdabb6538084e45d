"""How long the jobs of a run may take, for a scheduler that wants to know before they begin.

An estimate is made to be too long rather than too short: the speeds are those of slow machines, and what
comes out is multiplied by `MARGIN`. Needs no torch, so that a Snakefile can ask for it.
"""

from __future__ import annotations

import errno
import functools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.system.files import read_json

Kind = Literal["train", "evaluate", "sample", "analyse", "classify", "measure"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Those that every run has; a classifier belongs to a dataset, a measurement to a variant.
KINDS_OF_A_RUN: tuple[Kind, ...] = ("train", "evaluate", "sample", "analyse")

#: Multiply-adds a second of one CPU thread and of one GPU; seconds of an optimizer step and of starting a
#: process beside them.
CPU_SPEED, GPU_SPEED, STEP_SECONDS, PROCESS_SECONDS = 5e9, 5e11, 0.02, 10
#: Minutes for the start of a job on a busy node, which reads the environment from a shared file system.
START_MINUTES = 5
MARGIN = 3
#: Forward passes that drawing a small batch costs at most (docs/performance.md), and draws a completion.
PASSES_A_SAMPLE, DRAWS_A_COMPLETION = 10, 4
#: Forward passes an image that the effective receptive field costs, in float64 and with gradients.
PASSES_A_FIELD = 60
#: Passes over the training images that train a classifier, and its multiply-adds a pixel, forward.
CLASSIFIER_PASSES, CLASSIFIER_MULTIPLY_ADDS = 12, 21_000
#: Seconds that a measurement takes, and for slow networks how often everything is done at least.
MEASURED_SECONDS, MEASURED_TIMES, MEASURED_IMAGES = 10, 7, 64
#: MB of a job whose config says nothing: torch with its GPU libraries takes most of it.
MEMORY_MB = 6000


@dataclass(frozen=True)
class Size:
    """A network's parameters, and the multiply-adds of one image's forward pass."""

    parameters: int
    multiply_adds: int


def minutes(
    benchmark: Benchmark, work: Sequence[tuple[Kind, RunSpec]], *, on_gpu: bool, at_once: int = 1
) -> int:
    """Minutes to ask for, for a job that does `work`, so much of it at once.

    Raises:
        FileNotFoundError: if a run was not planned or its data not prepared yet.
    """
    asked = {kind: getattr(benchmark.jobs, kind).minutes for kind in KINDS}
    given = sum(asked[kind] or 0 for kind, _ in work)
    unknown = [(kind, spec) for kind, spec in work if asked[kind] is None]
    seconds = sum(PROCESS_SECONDS + _seconds(kind, benchmark, spec, on_gpu) for kind, spec in unknown)
    return math.ceil((given + MARGIN * seconds / 60) / at_once + (START_MINUTES if unknown else 0))


def memory_mb(benchmark: Benchmark, kinds: Sequence[Kind]) -> int:
    """MB to ask for, for a job that does one of `kinds` at a time: those of the config, else a guess."""
    return max(getattr(benchmark.jobs, kind).memory_mb or MEMORY_MB for kind in kinds)


def _seconds(kind: Kind, benchmark: Benchmark, spec: RunSpec, on_gpu: bool) -> float:
    size = _size(benchmark.plan_file, spec)
    data = _description(benchmark.data_file(spec.dataset_name))
    counts, seconds = data["counts"], 0.0
    if kind == "train":  # a backward pass costs two forward passes
        passes = spec.training.epochs * (3 * counts["train"] + counts["valid"])
        seconds = spec.training.epochs * math.ceil(counts["train"] / spec.training.batch_size) * STEP_SECONDS
    elif kind == "evaluate":  # a conditional network is asked for every label
        passes = counts["test"] * ((data["classes"] or 1) if spec.variant.conditional else 1)
    elif kind == "sample":
        drawn = benchmark.sampling.images + DRAWS_A_COMPLETION * benchmark.sampling.completions
        passes = PASSES_A_SAMPLE * drawn
    elif kind == "analyse":
        judged = benchmark.analysis.samples if spec.variant.conditional else 0
        passes = counts["train"] + counts["valid"] + PASSES_A_SAMPLE * judged
        passes += PASSES_A_FIELD * benchmark.analysis.images
    elif kind == "classify":
        size = Size(0, CLASSIFIER_MULTIPLY_ADDS * math.prod(data["shape"]))
        passes = 3 * CLASSIFIER_PASSES * counts["train"]
    else:
        passes = MEASURED_TIMES * (3 * spec.training.batch_size + MEASURED_IMAGES * (1 + PASSES_A_SAMPLE))
        seconds = MEASURED_SECONDS
    speed = GPU_SPEED if on_gpu else CPU_SPEED * benchmark.threads
    return float(passes * size.multiply_adds / speed + seconds)


def _size(plan: Path, spec: RunSpec) -> Size:
    try:
        return Size(**_json(plan, _changed(plan))[spec.dataset_name][spec.variant_name])
    except KeyError:  # planned before the variant was added: as good as not planned
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(plan)) from None


def _description(data: Path) -> dict[str, Any]:
    return _read_description(data, _changed(data))


def _changed(path: Path) -> int:
    return os.stat(str(path)).st_mtime_ns  # Snakemake looks for the text of a missing path among its inputs


# A benchmark of a thousand runs asks for the same few files; an edited one is read again.
@functools.lru_cache
def _json(path: Path, changed: int) -> dict[str, Any]:
    value: dict[str, Any] = read_json(path)
    return value


@functools.lru_cache
def _read_description(path: Path, changed: int) -> dict[str, Any]:
    from pixelcnn.data.prepared import read_description  # only here: numpy takes time to import

    return read_description(path)
