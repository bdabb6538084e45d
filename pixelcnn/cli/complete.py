"""`pixelcnn complete`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixelcnn.cli import models, options
from pixelcnn.cli.runs import say
from pixelcnn.config.benchmark import MOST_IMAGES
from pixelcnn.system.errors import UserError

if TYPE_CHECKING:
    from pixelcnn.models.base import ImageSpec

#: Brightness from which a pixel of a mask is white, and up to which it is black: JPEG files blur a little.
WHITE, BLACK = 192, 63


@click.command()
@models.model
@click.argument("picture", type=options.PATH)
@click.option("--keep", default="upper", metavar="upper|left|MASK.png", help="Which pixels stay as they are.")
@click.option("-n", type=click.IntRange(1, MOST_IMAGES), default=4, help="How many completions (default: 4).")
@models.label("The picture's class, which a conditional model needs.")
@click.option("--temperature", type=float, default=1.0, help="Divides the logits.")
@models.seed
@options.batch_size
@models.device
@models.threads
@click.option("--out", type=options.PATH, required=True, help="A .png grid, an .npz file, or a folder.")
def complete(
    model: Path,
    picture: Path,
    keep: str,
    n: int,
    label: int | None,
    temperature: float,
    sampling_seed: int | None,
    batch_size: int | None,
    device: str | None,
    threads: int | None,
    out: Path,
) -> None:
    """Draw the missing part of a picture.

    MODEL is as for `score`, and so is the size of PICTURE. A mask has the model's own size: white pixels are
    kept, black ones drawn. What is drawn knows what comes earlier in raster order, row by row from the upper
    left, kept or drawn, and not what is kept further on: the lower half is the model's own guess, and with
    `left` a row does not see the kept pixels of the rows below it.

    A grid shows what was kept, the completions and the picture; an .npz has images uint8 [n, C, H, W], the
    picture as `original` and `kept`, bool [H, W].
    """
    from pixelcnn.sampling.api import BATCH_SIZE
    from pixelcnn.system import devices
    from pixelcnn.system.progress import images_progress
    from pixelcnn.trained import pictures
    from pixelcnn.trained.model import kept_pixels

    pictures.check_form(out)
    names = [f"{picture.stem}-{number:0{len(str(n))}d}" for number in range(1, n + 1)]
    outputs = [out] if out.suffix else [out / f"{name}.png" for name in names]
    models.refuse_results("--out", outputs, [model, picture, Path(keep)])
    trained = models.load(model, device, threads)
    recipe = trained.recipe
    (original,) = recipe.read([picture])
    kept = kept_pixels(_mask(keep, trained.image), trained.image)
    batch_size = batch_size or trained.image.at_once(BATCH_SIZE)
    models.check_writable("--out", out.parent if out.suffix else out)
    with devices.out_of_memory(devices.smaller("--batch-size", batch_size)):
        (drawn,) = trained.complete(
            original[None],
            kept,
            n,
            labels=label,
            seed=trained.checkpoint.spec.seed if sampling_seed is None else sampling_seed,
            temperature=temperature,
            batch_size=batch_size,
            on_progress=images_progress("completing", sys.stderr),
        )
    say(recipe.said())
    levels = trained.image.levels
    if out.suffix == ".npz":
        pictures.save_arrays(out, images=drawn, original=original, kept=kept)
    elif out.suffix == ".png":
        tiles = pictures.completion_row(original, kept, drawn, levels)
        pictures.save(out, tiles, 256, [], columns=min(len(tiles), 12))
    else:
        pictures.save(out, drawn, levels, names)
    print(f"{out}: {n} completions of {picture}, {kept.mean():.0%} of its pixels kept")


def _mask(keep: str, image: ImageSpec) -> Any:
    """One of the named parts, or the pixels that are white in a picture: bool [H, W]."""
    import numpy as np

    from pixelcnn.data.recipe import opened
    from pixelcnn.trained.model import KEEP

    if keep in KEEP:
        return keep
    if not Path(keep).is_file():
        raise UserError(f"--keep: expected {', '.join(KEEP)} or the file of a mask, got {keep!r}")
    mask = np.asarray(opened(Path(keep)).convert("RGBA"))
    if mask.shape[:2] != (image.height, image.width):
        found, wanted = f"{mask.shape[0]}x{mask.shape[1]}", f"{image.height}x{image.width}"
        raise UserError(f"--keep: {keep}: {found} (height x width), expected the model's size {wanted}")
    white, black = (
        (mask >= WHITE).all(axis=2),
        (mask[:, :, :3] <= BLACK).all(axis=2) & (mask[:, :, 3] >= WHITE),
    )
    if not (white | black).all():
        row, column = np.argwhere(~(white | black))[0]
        place = f"that in row {row + 1}, column {column + 1} is neither"
        raise UserError(f"--keep: {keep}: expected white pixels, which are kept, and black ones; {place}")
    return white
