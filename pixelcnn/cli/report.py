"""`pixelcnn report`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import options
from pixelcnn.system.errors import RunFailed


@click.command()
@options.benchmark_folder
def report(directory: Path) -> None:
    """Compare the runs of a benchmark: tables, figures, one page.

    Fails, once they are written, where a variant lies below a truth that is known.
    """
    from pixelcnn.report.page import build_report
    from pixelcnn.report.truth import below_in, below_words

    print(build_report(directory))
    if found := below_in(directory):
        raise RunFailed("; ".join(map(below_words, found)))
