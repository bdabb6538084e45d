"""`pixelcnn plan`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from pixelcnn.cli import options, runs


@click.command()
@click.argument("config", type=options.PATH, required=False, help=options.CONFIG_HELP)
@click.option("--json", "value", type=options.from_json, metavar="JSON", help="The description itself.")
def plan(config: Path | None, value: Any) -> None:
    """Check a config with all that it names, and write it resolved."""
    from pixelcnn.config.reading import benchmark_from
    from pixelcnn.results.folder import folder_of
    from pixelcnn.scheduling.planning import check_benchmark, resolve_named
    from pixelcnn.system.files import write_json

    if (config is None) == (value is None):
        raise click.UsageError("Needs one of CONFIG and --json.")
    if config is None:
        benchmark = resolve_named(benchmark_from(value, "--json"), "--json")
    else:
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
