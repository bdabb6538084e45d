"""How many GPUs there are to schedule for, without importing torch to ask."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.system.errors import UserError

#: Jobs read the Snakefile again, perhaps on a machine with other GPUs: they keep to what was asked for them.
OF_A_JOB = "PIXELCNN_GPUS_OF_A_JOB"


def here(benchmark: Benchmark, environment: Mapping[str, str], devices: Path = Path("/dev")) -> int:
    """How many GPUs the benchmark may use on this machine."""
    if benchmark.device == "cpu":
        return 0
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return sum(name.strip() not in ("", "-1") for name in visible.split(","))
    return len(list(devices.glob("nvidia[0-9]*")))


def of_a_job(benchmark: Benchmark, environment: MutableMapping[str, str]) -> int:
    """GPUs that a job of a run asks for: one counts as one place on it; which one it gets, it claims itself.

    Decided once and handed on in the environment.
    """
    asked = benchmark.jobs.gpus
    if asked is None:
        asked = int(benchmark.device == "cuda" or here(benchmark, environment) > 0)
    given = environment.setdefault(OF_A_JOB, str(asked))
    if not given.isdigit():
        raise UserError(f"the environment variable {OF_A_JOB} must be a whole number, got {given!r}")
    return int(given)
