"""`pixelcnn report`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import options


@click.command()
@options.benchmark_folder
def report(directory: Path) -> None:
    """Compare the runs of a benchmark: tables, figures, one page."""
    from pixelcnn.report.page import build_report

    print(build_report(directory))
