"""How long the jobs of a run may take, for a scheduler that wants to know before they begin.

An estimate is made to be too long rather than too short: the speeds are those of slow machines, and what
comes out is multiplied by `MARGIN`. Needs no torch, so that a Snakefile can ask for it.
"""

from __future__ import annotations

import errno
import functools
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pixelcnn.config import Benchmark, RunSpec
from pixelcnn.files import read_json

Kind = Literal["train", "evaluate", "sample"]

#: Multiply-adds a second of one CPU thread and of one GPU, and seconds of an optimizer step beside them.
CPU_SPEED, GPU_SPEED, STEP_SECONDS = 5e9, 5e11, 0.02
#: Minutes for starting on a busy node: reading the environment from a shared file system.
START_MINUTES = 5
MARGIN = 3
#: Forward passes that drawing a small batch costs at most (docs/performance.md), and draws a completion.
PASSES_A_SAMPLE, DRAWS_A_COMPLETION = 10, 4
#: MB of a job whose config says nothing: torch with its GPU libraries takes most of it.
MEMORY_MB = 6000


@dataclass(frozen=True)
class Size:
    """A network's parameters, and the multiply-adds of one image's forward pass."""

    parameters: int
    multiply_adds: int


def minutes(kind: Kind, benchmark: Benchmark, spec: RunSpec, *, on_gpu: bool, attempt: int = 1) -> int:
    """Minutes to ask for: those of the config, else an estimate, longer with every attempt.

    Raises:
        FileNotFoundError: if the run was not planned or its data not prepared yet.
    """
    asked = getattr(benchmark.jobs, kind).minutes
    if asked is not None:
        return asked
    return math.ceil(START_MINUTES + MARGIN * _seconds(kind, benchmark, spec, on_gpu) / 60) * attempt


def memory_mb(kind: Kind, benchmark: Benchmark, *, attempt: int = 1) -> int:
    """MB to ask for: those of the config, else a guess that fits small networks, larger with every attempt."""
    asked = getattr(benchmark.jobs, kind).memory_mb
    return MEMORY_MB * attempt if asked is None else asked


def _seconds(kind: Kind, benchmark: Benchmark, spec: RunSpec, on_gpu: bool) -> float:
    size = _size(benchmark.plan_file, spec)
    data = _description(benchmark.data_file(spec.dataset_name))
    counts = data["counts"]
    steps = 0
    if kind == "train":  # a backward pass costs two forward passes
        passes = spec.training.epochs * (3 * counts["train"] + counts["valid"])
        steps = spec.training.epochs * math.ceil(counts["train"] / spec.training.batch_size)
    elif kind == "evaluate":  # a conditional network is asked for every label
        passes = counts["test"] * ((data["classes"] or 1) if spec.variant.conditional else 1)
    else:
        drawn = benchmark.sampling.images + DRAWS_A_COMPLETION * benchmark.sampling.completions
        passes = PASSES_A_SAMPLE * drawn
    speed = GPU_SPEED if on_gpu else CPU_SPEED * benchmark.threads
    return passes * size.multiply_adds / speed + steps * STEP_SECONDS


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
    return read_json(path)


@functools.lru_cache
def _read_description(path: Path, changed: int) -> dict[str, Any]:
    from pixelcnn.data.preparation import read_description  # only here: numpy takes time to import

    return read_description(path)
