"""`pixelcnn tuned`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import options


@click.command()
@options.benchmark_folder
def tuned(directory: Path) -> None:
    """Choose among the trials of a tuning; writes a config."""
    from pixelcnn.config.reading import load_planned
    from pixelcnn.results.folder import BenchmarkFolder
    from pixelcnn.tuning.choice import outcomes_of
    from pixelcnn.tuning.writing import table, write

    folder = BenchmarkFolder(directory)
    benchmark = load_planned(folder.config)
    outcomes = outcomes_of(folder, benchmark)
    print(table(outcomes))
    print(write(folder, benchmark, outcomes))
