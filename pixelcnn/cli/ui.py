"""`pixelcnn ui`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import options


@click.command()
@options.benchmark_folder
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0: other machines, too.")
@click.option("--allowed-hosts", help="With --host: how others call this machine; A,B or '*'.")
@click.option("--port", type=int, default=5000, show_default=True)
@click.option("--no-open", is_flag=True, help="Only print the address, open no browser.")
def ui(directory: Path, host: str, allowed_hosts: str | None, port: int, no_open: bool) -> int:
    """Open the MLflow UI on the runs of a benchmark's folder."""
    from pixelcnn.tracking.ui import serve

    return serve(directory, host=host, port=port, allowed_hosts=allowed_hosts, open_browser=not no_open)
