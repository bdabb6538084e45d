"""`pixelcnn ui`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import options


@click.command()
@options.benchmark_folder
@click.option("--port", type=int, default=5000, show_default=True)
@click.option("--no-open", is_flag=True, help="Only print the address, open no browser.")
def ui(directory: Path, port: int, no_open: bool) -> int:
    """Open the MLflow UI on the runs under a benchmark's folder."""
    from pixelcnn.tracking.ui import serve

    return serve(directory, port=port, open_browser=not no_open)
