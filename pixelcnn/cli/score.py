"""`pixelcnn score`."""

from __future__ import annotations

import csv
import io
import math
import sys
from pathlib import Path

import click

from pixelcnn.cli import models, options
from pixelcnn.cli.runs import say
from pixelcnn.system.errors import UserError

COLUMNS = ("picture", "nats", "bits_per_dim", "perplexity", "label")


@click.command()
@models.model
@click.argument("pictures", type=options.PATH, nargs=-1, required=True)
@models.label("Score each given this class (default: label-marginalised).")
@click.option("--out", type=options.PATH, help="A .csv file (default: to the standard output).")
@click.option("--maps", type=options.PATH, help="A folder for a picture of the bits per pixel of each.")
@options.batch_size
@models.device
@models.threads
def score(
    model: Path,
    pictures: tuple[Path, ...],
    label: int | None,
    out: Path | None,
    maps: Path | None,
    batch_size: int | None,
    device: str | None,
    threads: int | None,
) -> None:
    """Likelihood of picture files under a trained model.

    MODEL is a checkpoint.pt, a model.safetensors, the folder of a run, or one of an MLflow model. PICTURES
    are files or folders, which are searched with all sub-folders; a row each, in the order given. They are
    averaged and quantised as the training images were, which is said, and must have the size of these before
    or after; where pictures were cropped or resized for training, any size will do that this takes.

    Columns: picture, its file; nats, -log p(x), lower is likelier; bits_per_dim, nats / (dims · ln 2);
    perplexity, exp(nats / dims); label, the class told by --label, else empty.
    """
    from pixelcnn.data.recipe import pictures as found
    from pixelcnn.system import devices
    from pixelcnn.system.progress import images_progress
    from pixelcnn.trained.pictures import file_names, save_maps

    if out is not None and (out.is_dir() or out.suffix != ".csv"):
        raise UserError(f"--out: expected a .csv file, got {out}")
    if maps is not None and (maps.is_file() or maps == out):
        raise UserError(f"--maps: {maps} is a file, expected a folder")
    files = found(pictures)
    names = file_names(files)
    models.refuse_results("--out", [out] if out else [], [model, *files])
    models.refuse_results("--maps", [maps / f"{name}.png" for name in names] if maps else [], files)
    trained = models.load(model, device, threads)
    recipe = trained.recipe
    images = recipe.read(files)
    from pixelcnn.evaluation.likelihoods import BATCH_SIZE

    batch_size = batch_size or trained.image.at_once(BATCH_SIZE)
    if out is not None:
        models.check_writable("--out", out.parent)
    if maps is not None:
        models.check_writable("--maps", maps)
    with devices.out_of_memory(devices.smaller("--batch-size", batch_size)):
        nats = trained.nats_by_pixel(
            images, label, batch_size=batch_size, on_progress=images_progress("scoring", sys.stderr)
        )
    say(recipe.said())
    per_image = nats.sum(axis=(1, 2))
    text = _table(files, [float(value) for value in per_image], trained.dims, label)
    if out is None:
        print(text, end="")
    else:
        _write(out, text)
        kind = _kind(label, trained.image.classes)
        print(f"{out}: {len(files):,} pictures, {per_image.mean():.2f} nats on average{kind}")
    if maps is not None:
        top = save_maps(maps, nats / math.log(2), names)
        say(f"{maps}: maps of bits per pixel, all its channels, black 0 to pale yellow {top:.2f}")


def _kind(label: int | None, classes: int | None) -> str:
    return "" if classes is None else ", label-marginalised" if label is None else f" given class {label}"


def _table(files: list[Path], nats: list[float], dims: int, label: int | None) -> str:
    from pixelcnn.evaluation.units import bits_per_dim, perplexity

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for file, value in zip(files, nats, strict=True):
        writer.writerow([file, value, bits_per_dim(value, dims), perplexity(value, dims), label])
    return stream.getvalue()


def _write(out: Path, text: str) -> None:
    from pixelcnn.system.files import atomic

    with atomic(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
