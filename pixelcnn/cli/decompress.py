"""`pixelcnn decompress`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pixelcnn.cli import models, options
from pixelcnn.system.errors import UserError


@click.command()
@models.model
@click.argument("file", type=options.PATH)
@click.option(
    "-o", "--out", type=options.PATH, required=True, help="A folder of .png files, an .npz or .npy file."
)
@click.option("--anywhere", is_flag=True, help="Try it with other software or on another processor, too.")
def decompress(model: Path, file: Path, out: Path, anywhere: bool) -> None:
    """Get back the images that a compressed file holds.

    FILE is one of `compress`, MODEL the same one as there.

    They come out bit for bit, or are refused with what differs: another model, other weights, other code,
    other software, another processor, a damaged file. A folder gets a .png each, whose brightness is read as
    the same images again; an .npz has images uint8 [N, C, H, W] of the model's levels, and labels, an .npy
    the images alone.
    """
    import numpy as np

    from pixelcnn.coding.files import Codec
    from pixelcnn.system.files import atomic
    from pixelcnn.system.progress import images_progress
    from pixelcnn.trained import pictures

    if out.suffix not in ("", ".npz", ".npy") or (out.exists() and out.is_dir() != (out.suffix == "")):
        raise UserError(f"--out: expected a folder, an .npz or .npy file, got {out}")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror or error}") from error
    models.refuse_results("--out", [out] if out.suffix else [], [model, file])
    trained = models.load(model, "cpu", None)
    models.check_writable("--out", out.parent if out.suffix else out)
    codec = Codec(trained.checkpoint, trained.network, trained.likelihood)
    try:
        images, labels = codec.decompress(
            content, anywhere=anywhere, on_progress=images_progress("decompressing", sys.stderr)
        )
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    if out.suffix == ".npy":
        with atomic(out) as temporary:
            np.save(temporary, images)
    elif out.suffix:
        pictures.save_arrays(out, images=images, **({} if labels is None else {"labels": labels}))
    else:
        digits = len(str(len(images)))
        names = [f"{number:0{digits}d}" for number in range(1, len(images) + 1)]
        pictures.save(out, trained.pictures_of(images), 256, names)
    print(f"{out}: {len(images):,} images of {file}, as they were compressed")
