"""`pixelcnn prepare`."""

from __future__ import annotations

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Dataset


@click.command()
@options.of_a_dataset
def prepare(chosen: Dataset) -> None:
    """Prepare the images of a dataset: one file for all runs."""
    from pixelcnn.data import preparation
    from pixelcnn.data.prepared import left_out_words, read_description, save
    from pixelcnn.data.repeated import repeated_words

    benchmark = chosen.benchmark
    spec, root = benchmark.datasets[chosen.dataset], preparation.data_root(benchmark.data_root)
    data = preparation.prepare(spec, root)
    path = chosen.files.data
    save(data, path)
    counts = ", ".join(f"{split} {len(part.images):,}" for split, part in data.splits.items())
    print(f"{path}: {counts} images of (C, H, W) = {data.shape}, {data.levels} levels, SHA-256 {data.sha256}")
    description = read_description(path)
    for sentence in [*left_out_words(description), *repeated_words(description)]:
        print(f"{path}: {sentence}")
