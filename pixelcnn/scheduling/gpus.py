"""How many GPUs there are to schedule for, without importing torch to ask."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.system.errors import UserError

#: Jobs read the Snakefile again, perhaps on a machine with other GPUs: they keep to what was asked for them.
OF_A_JOB = "PIXELCNN_GPUS_OF_A_JOB"


def here(
    benchmark: Benchmark,
    environment: Mapping[str, str],
    devices: Path = Path("/dev"),
    torch: Path | None = None,
) -> int:
    """How many GPUs the benchmark may use on this machine; `torch` is the folder of the installed package."""
    if benchmark.device == "cpu" or not torch_uses_gpus(torch):
        return 0
    there = len(list(devices.glob("nvidia[0-9]*")))
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    return there if visible is None else _visible(visible, there)


def _visible(names: str, there: int) -> int:
    """How many GPUs CUDA_VISIBLE_DEVICES leaves of those that are there.

    As CUDA reads it: numbers or UUIDs up to the first that is no such thing, none at all if one comes twice.
    UUIDs are taken at their word, since a GPU may be divided into several.
    """
    kind = next((prefix for prefix in ("GPU-", "MIG-") if names.strip().startswith(prefix)), None)
    found: list[str | int] = []
    for name in (name.strip() for name in names.split(",")):
        if kind is not None:
            entry: str | int | None = name if name.startswith(kind) else None
        else:
            number = re.match(r"\d+", name)
            entry = int(number[0]) if number and int(number[0]) < there else None
        if entry is None:
            break
        if entry in found:
            return 0
        found.append(entry)
    return len(found)


def torch_uses_gpus(folder: Path | None = None) -> bool:
    """Whether the installed torch is built for GPUs, by its file of versions; true if that does not say."""
    if folder is None:
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.origin is None:
            return True
        folder = Path(spec.origin).parent
    try:
        text = (folder / "version.py").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return True
    built_for = dict(re.findall(r"(?m)^(cuda|hip)\b[^=\n]*=[ \t]*(\S+)", text))
    return "cuda" not in built_for or set(built_for.values()) != {"None"}


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
