"""`pixelcnn classify`."""

from __future__ import annotations

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Dataset


@click.command()
@options.of_a_dataset
@options.threads
def classify(chosen: Dataset) -> None:
    """Train the classifier that judges conditional samples."""
    from pixelcnn.analysis import classifier
    from pixelcnn.system import devices

    data, device = chosen.data(), chosen.device()
    path = chosen.files.classifier
    with devices.out_of_memory("the classifier needs some hundred MB"):
        judge = classifier.classify(data, device, path)
    if judge is None:
        print(f"{path}: the images have no labels, nothing to classify")
    else:
        print(f"{path}: right on {judge.accuracy:.1%} of {judge.images:,} test images")
