"""`pixelcnn plan`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from pixelcnn.cli import options, runs


@click.command()
@options.config
def plan(config: Path) -> None:
    """Check a config with all that it names, and write it resolved."""
    from pixelcnn.results.folder import folder_of
    from pixelcnn.scheduling.planning import check_benchmark
    from pixelcnn.system.files import write_json

    benchmark = runs.load(config)
    sizes: dict[str, dict[str, Any]] = {}
    for (dataset, variant), size in check_benchmark(benchmark).items():
        print(
            f"{dataset:24} {variant:20} {size.parameters:>12,} parameters "
            f"{size.multiply_adds:>14,} multiply-adds an image"
        )
        sizes.setdefault(dataset, {})[variant] = dataclasses.asdict(size)
    folder = folder_of(benchmark)
    write_json(folder.plan, sizes)
    write_json(folder.config, benchmark.to_json())
    print(f"{len(benchmark.runs())} runs; wrote {folder.config}")
