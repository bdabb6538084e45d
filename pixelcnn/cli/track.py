"""`pixelcnn track`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import RUN_FAILED, options


@click.command()
@options.benchmark_folder
@click.option("--watch", is_flag=True, help="Keep on while runs grow.")
@click.option("--parent-pid", type=int, help="With --watch: end when this process is gone.")
@click.option("--uri", help="Tracking server (default: MLFLOW_TRACKING_URI or the config's).")
def track(directory: Path, watch: bool, parent_pid: int | None, uri: str | None) -> int:
    """Project the runs of a benchmark into MLflow."""
    from pixelcnn.tracking import projection

    if watch:
        return 0 if projection.watch(directory, parent_pid=parent_pid, uri=uri) else RUN_FAILED
    summary = projection.project(directory, uri=uri)
    print(summary)
    return 0 if summary.ok else RUN_FAILED
