"""What the commands that use a trained model share: the model, its pictures, where something is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixelcnn.cli import options
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.system.errors import UserError

if TYPE_CHECKING:
    from pixelcnn.data.recipe import Recipe
    from pixelcnn.trained.model import Trained

MODEL_HELP = "A checkpoint.pt, a model.safetensors, the folder of a run, or one of an MLflow model."

model = click.argument("model", type=options.PATH, metavar="MODEL")
seed = click.option(
    "--sampling-seed", type=click.IntRange(0, 2**63 - 1), help="Seed of the noise (default: the run's seed)."
)


def label(help_text: str) -> Callable[[Any], Any]:
    """The option of a class."""
    return click.option("--label", type=click.IntRange(0), metavar="CLASS", help=help_text)


def is_model(path: Path) -> bool:
    """Whether a path is that of a trained model rather than of a config."""
    return path.is_dir() or path.suffix in (".pt", ".safetensors")


def recipe_of(trained: Trained) -> Recipe:
    """How pictures become images of a model."""
    from pixelcnn.data.recipe import Recipe

    image = trained.image
    return Recipe.of(trained.checkpoint.spec.dataset, image.channels, image.height, image.width)


def refuse_results(option: str, outputs: Iterable[Path], read: Iterable[Path]) -> None:
    """Refuse to write what is read, or a file of the results.

    Raises:
        UserError: naming the path.
    """
    inputs = {path.resolve() for path in read}
    for path in outputs:
        if path.resolve() in inputs:
            raise UserError(f"{option}: {path} is what is read; choose another")
        place = path.resolve()
        # A benchmark's folder lies above those of its datasets, variants and runs.
        above = next((p for p in place.parents if BenchmarkFolder(p).config.exists()), place.parent)
        if BenchmarkFolder(above).keeps(path):
            raise UserError(f"{option}: {path} is a file of the results; choose another")
