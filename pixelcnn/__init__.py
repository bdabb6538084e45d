"""Benchmark of PixelCNN models: exact likelihoods, several seeds, honest comparison.

model = pixelcnn.load("results/B/D/V/seed0")     # see pixelcnn.trained.model
"""

from importlib import import_module
from os import PathLike
from typing import Any

__version__ = "0.1.0"


def load(path: str | PathLike[str], device: str = "auto") -> Any:
    """A trained model from its checkpoint, its exported file, its run's folder, or a folder of MLflow's.

    device: `auto`, which takes a GPU if there is one, `cpu`, `cuda`, or one of several, as `cuda:1`.

    Returns a `pixelcnn.trained.model.Trained`, which scores, samples and completes images.

    Raises:
        UserError: if there is no model, it is damaged, its own code is not here, or there is no such device.
    """
    # Imported by name: torch takes seconds to import, and every module of the package imports this one.
    return import_module("pixelcnn.trained.model").load(path, device)
