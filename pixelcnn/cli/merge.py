"""`pixelcnn merge`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import options, runs


@click.command()
@click.argument("folders", nargs=-1, required=True, type=options.PATH, help="results/BENCHMARK of each place")
@click.option("--into", required=True, type=options.PATH, help="The folder of all, beside these.")
def merge(folders: tuple[Path, ...], into: Path) -> None:
    """Join the runs of one benchmark from several folders."""
    from pixelcnn.merging.joining import merge as join

    merged = join(folders, into)
    for line in merged.lines:
        print(f"from {line}")
    for line in merged.left:
        runs.say(line)
    print(into)
