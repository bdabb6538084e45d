"""`pixelcnn publish`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import options, runs


@click.command()
@click.argument(
    "directories", metavar="RESULTS...", type=options.PATH, nargs=-1, required=True, help="results/BENCHMARK"
)
@click.option("--site", type=options.PATH, required=True, metavar="DIR", help="Folder of the site.")
def publish(directories: tuple[Path, ...], site: Path) -> None:
    """Make a static site of benchmarks, or add to one.

    It has their reports, records, all numbers as JSON, and of each variant the model of the seed with the
    lowest validation NLL, of at most 2 MiB.

    A benchmark of the same name there is replaced, others stay.
    """
    from pixelcnn.site.publish import publish as make

    print(make(directories, site, runs.say))
