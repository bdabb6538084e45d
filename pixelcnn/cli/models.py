"""What the commands that use a trained model share: the model, its pictures, where something is written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixelcnn.cli import options, runs
from pixelcnn.config.benchmark import MOST_THREADS
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.system.errors import UserError

if TYPE_CHECKING:
    from pixelcnn.trained.model import Trained

#: What a config's `device` may be, too.
DEVICES = ("auto", "cpu", "cuda")

model = click.argument("model", type=options.PATH, metavar="MODEL")
seed = click.option(
    "--sampling-seed", type=click.IntRange(0, 2**63 - 1), help="Seed of the noise (default: the run's seed)."
)
threads = click.option(
    "--threads", type=click.IntRange(1, MOST_THREADS), help="CPU threads (default: one a core)."
)
device = click.option(
    "--device",
    type=click.Choice(DEVICES),
    help="Where to compute (default: auto, which takes a GPU if there is one).",
)


def label(help_text: str) -> Callable[[Any], Any]:
    """The option of a class."""
    return click.option("--label", type=click.IntRange(0), metavar="CLASS", help=help_text)


def is_model(path: Path) -> bool:
    """Whether a path is that of a trained model rather than of a config."""
    return path.is_dir() or path.suffix in (".pt", ".safetensors")


def load(path: Path, device: str | None, threads: int | None) -> Trained:
    """A trained model on the device asked for; one that does not load is told before a GPU is waited for.

    Raises:
        UserError: if there is no model, it is damaged, its own code is not here, or there is no such device.
    """
    import torch

    from pixelcnn.trained.model import load

    if threads is not None:
        torch.set_num_threads(threads)
    trained = load(path, "cpu")
    trained.network.to(runs.use_device(device or "auto"))
    return trained


def check_writable(option: str, folder: Path) -> None:
    """Refuse a folder in which no file can be written, before time is spent on what belongs there.

    Raises:
        UserError: naming the folder and why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{option}: {error.filename} is no folder") from error
    except OSError as error:
        raise UserError(f"{option}: {folder} cannot be written to: {error.strerror or error}") from error


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
