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
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.jobs import JobSpec
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling.kinds import KINDS, TRAIN, description
from pixelcnn.system.files import read_json

#: Multiply-adds a second of one CPU thread and of one GPU; seconds of starting a process.
CPU_SPEED, GPU_SPEED, PROCESS_SECONDS = 5e9, 5e11, 10
#: Minutes for the start of a job on a busy node, which reads the environment from a shared file system.
START_MINUTES = 5
MARGIN = 3
#: MB of a job whose config says nothing: torch with its GPU libraries takes most of it.
MEMORY_MB = 6000


@dataclass(frozen=True)
class Size:
    """A network's parameters, the multiply-adds of one image's forward pass, and whether it is a competitor.

    `baseline` and `truth` are those of the architecture's class.
    """

    parameters: int
    multiply_adds: int
    baseline: bool = False
    truth: bool = False


def minutes(
    benchmark: Benchmark, work: Sequence[tuple[str, RunSpec]], *, on_gpu: bool, at_once: int = 1
) -> int:
    """Minutes to ask for, for a job that does `work`, a kind for a run each, so much of it at once.

    Raises:
        FileNotFoundError: if a run was not planned or its data not prepared yet.
    """
    given = sum(asked(benchmark, kind).minutes or 0 for kind, _ in work)
    unknown = [(kind, spec) for kind, spec in work if asked(benchmark, kind).minutes is None]
    seconds = sum(PROCESS_SECONDS + _seconds(kind, benchmark, spec, on_gpu) for kind, spec in unknown)
    return math.ceil((given + MARGIN * seconds / 60) / at_once + (START_MINUTES if unknown else 0))


def memory_mb(benchmark: Benchmark, kinds: Sequence[str]) -> int:
    """MB to ask for, for a job that does one of `kinds` at a time: those of the config, else a guess."""
    return max(asked(benchmark, kind).memory_mb or MEMORY_MB for kind in kinds)


def asked(benchmark: Benchmark, kind: str) -> JobSpec:
    """What the config says that jobs of a kind ask for."""
    spec: JobSpec = getattr(benchmark.jobs, "train" if kind in TRAIN else kind, JobSpec())
    return spec


def _seconds(kind: str, benchmark: Benchmark, spec: RunSpec, on_gpu: bool) -> float:
    folder, amount = folder_of(benchmark), KINDS[kind].work
    if amount is None:
        return 0.0
    size = _size(folder.plan, spec)
    work = amount(benchmark, spec, description(folder.dataset(spec.dataset_name).data))
    speed = GPU_SPEED if on_gpu else CPU_SPEED * benchmark.threads
    return work.passes * (work.multiply_adds or size.multiply_adds) / speed + work.seconds


def _size(plan: Path, spec: RunSpec) -> Size:
    try:
        return Size(**_json(plan, _changed(plan))[spec.dataset_name][spec.variant_name])
    except KeyError:  # planned before the variant was added: as good as not planned
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(plan)) from None


def _changed(path: Path) -> int:
    return os.stat(str(path)).st_mtime_ns  # Snakemake looks for the text of a missing path among its inputs


# A benchmark of a thousand runs asks for the same few files; an edited one is read again.
@functools.lru_cache
def _json(path: Path, changed: int) -> dict[str, Any]:
    value: dict[str, Any] = read_json(path)
    return value
