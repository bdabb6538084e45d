"""`pixelcnn merge`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import options, runs


@click.command()
@click.argument("folders", nargs=-1, required=True, type=options.PATH, help="results/BENCHMARK of each place")
@click.option("--into", required=True, type=options.PATH, help="The folder of all, beside these.")
@click.option("--compact", is_flag=True, help="Take only what reports need, to carry; one folder will do.")
def merge(folders: tuple[Path, ...], into: Path, compact: bool) -> None:
    """Join the runs of one benchmark from several folders."""
    from pixelcnn.merging.joining import merge as join

    merged = join(folders, into, compact=compact)
    for line in merged.lines:
        print(f"from {line}")
    for line in merged.left:
        runs.say(line)
    if merged.weight:
        runs.say(merged.weight)
    print(into)
