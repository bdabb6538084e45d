"""`pixelcnn precision`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Dataset, load, say

if TYPE_CHECKING:
    import torch

    from pixelcnn.config.benchmark import Benchmark
    from pixelcnn.results.records import Precision, StepTimes


@click.command()
@options.config
@click.option("--force", is_flag=True, help="Measure again; what is trained stays as it is.")
def precision(config: Path, force: bool) -> None:
    """Measure what precision: auto is in a benchmark."""
    from pixelcnn.results.folder import folder_of

    benchmark = load(config)
    device = Dataset(config, benchmark, next(iter(benchmark.datasets)), None).device()
    found = found_or_measured(benchmark, device, force=force)
    if found.steps:
        print(f"{'ms of a training step':36} {'batch':>6} {'float32':>9} {'bfloat16':>9}")
    for step in found.steps:
        print(_line(step))
    where = f"{found.device}, {found.threads} threads, torch {found.torch}"
    print(f"{folder_of(benchmark).precision}: {found.chosen} ({found.reason}; {where})")


def found_or_measured(benchmark: Benchmark, device: torch.device, *, force: bool = False) -> Precision:
    """What `auto` is in this benchmark: what its folder says, else what is measured now and written there.

    Of several processes that ask at once one measures, and the others wait for it.
    """
    from pixelcnn.results.folder import folder_of
    from pixelcnn.results.records import Precision
    from pixelcnn.system import locks
    from pixelcnn.training.precision import measure

    folder = folder_of(benchmark)
    if folder.precision.exists() and not force:
        return Precision.read(folder.precision)
    with locks.acquire(
        folder.precision_lock,
        wait=True,
        on_wait=lambda holder: say(f"{folder.precision}: waits for {holder}"),
    ):
        if folder.precision.exists() and not force:
            return Precision.read(folder.precision)
        found = measure(benchmark, device)
        found.write(folder.precision)
    say(f"{folder.precision}: {found.chosen} ({found.reason})")
    return found


def _line(step: StepTimes) -> str:
    float32, bfloat16 = (
        "-" if seconds is None else f"{1000 * seconds:.2f}" for seconds in (step.float32, step.bfloat16)
    )
    return f"{step.name:36} {step.batch_size:>6} {float32:>9} {bfloat16:>9} {step.failed}".rstrip()
