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
    from pixelcnn.analysis.classifier import classify as train_classifier
    from pixelcnn.system import devices

    data, device = chosen.data(), chosen.device()
    path = chosen.files.classifier
    with devices.out_of_memory("a classifier of small images needs some hundred MB; lower image_size"):
        trained = train_classifier(data, device, path)
    if trained is None:
        print(f"{path}: the images have no labels, nothing to classify")
    else:
        print(f"{path}: right on {trained.accuracy:.1%} of {trained.images:,} test images")
