"""`pixelcnn compress`."""

from __future__ import annotations

import math
import sys
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixelcnn.cli import models, options
from pixelcnn.cli.runs import say
from pixelcnn.system.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pixelcnn.trained.model import Trained

#: What is written, and files of arrays that are read.
SUFFIX, ARRAYS = ".pxc", (".npy", ".npz")
#: Threads that a file can name.
MOST_THREADS = 255


@click.command()
@models.model
@click.argument("pictures", type=options.PATH, nargs=-1, required=True)
@click.option("-o", "--out", type=options.PATH, required=True, help=f"A {SUFFIX} file.")
@models.label("The class of all (default: those in an .npz, else of each the likeliest).")
@click.option("--verify/--no-verify", default=True, help="Decompress it again before it is written.")
@click.option(
    "--threads", type=click.IntRange(1, MOST_THREADS), default=1, help="CPU threads, here and to decompress."
)
def compress(
    model: Path, pictures: tuple[Path, ...], out: Path, label: int | None, verify: bool, threads: int
) -> None:
    """Compress pictures without loss by a model's own probabilities.

    MODEL and PICTURES are as for `score`; in the place of pictures one .npz or .npy of images [N, C, H, W]
    with the model's levels. Lossless is from there on: kept are the images as the model sees them, averaged
    and quantised as the training images were, which is said, and not the pictures before that, nor their
    names. The file is smaller the better the model fits: bits/dim of the file and NLL of the same images in
    bits/dim are told, and differ by some 50 bytes a file and less than a thousandth. Of a conditional model
    the labels are in the file, too.

    It computes on the CPU. `decompress` needs the same model, the same code and the same software on a
    processor of the same kind, and refuses otherwise; it computes as long as sampling takes.
    """
    from pixelcnn.coding import layout
    from pixelcnn.coding.files import Codec
    from pixelcnn.data.recipe import pictures as found
    from pixelcnn.evaluation.units import bits_per_dim
    from pixelcnn.system.files import atomic
    from pixelcnn.system.progress import images_progress

    if out.is_dir() or out.suffix != SUFFIX:
        raise UserError(f"--out: expected a {SUFFIX} file, got {out}")
    files = [*pictures] if pictures[0].suffix in ARRAYS else found(pictures)
    models.refuse_results("--out", [out], [model, *files])
    trained = models.load(model, "cpu", threads)
    images, labels = _read(trained, files)
    labels = _labels(trained, images, labels, label)
    models.check_writable("--out", out.parent)
    codec = Codec(trained.checkpoint, trained.network, trained.likelihood)
    content = codec.compress(
        images, labels, threads=threads, on_progress=images_progress("compressing", sys.stderr)
    )
    if verify:
        codec.decompress(content, on_progress=images_progress("verifying", sys.stderr))
    nll = float(trained.nats(images, labels).sum())
    with atomic(out) as temporary:
        temporary.write_bytes(content)
    of_labels = layout.label_bytes(len(images), trained.image.classes)
    paid, dims = len(content) - of_labels, trained.dims * len(images)
    over = paid * 8 - nll / math.log(2)
    given = f" given the labels, which take {of_labels:,} bytes more" if labels is not None else ""
    print(
        f"{out}: {len(images):,} images in {len(content):,} bytes, {paid * 8 / dims:.4f} bits/dim paid, NLL "
        f"{bits_per_dim(nll, dims):.4f}{given}; overhead {over / 8:,.0f} bytes, {over / (paid * 8):.2%}"
    )


def _read(trained: Trained, files: list[Path]) -> tuple[NDArray[np.uint8], Any]:
    """Images of the model, and the labels beside them, if such are there."""
    if files[0].suffix not in ARRAYS:
        images = trained.recipe.read(files)
        say(f"{trained.recipe.said()}; kept are these images, not the pictures before that")
        return images, None
    if len(files) > 1:
        raise UserError(f"{files[1]}: beside {files[0]}, expected one file of arrays, or pictures")
    try:
        import numpy as np

        from pixelcnn.trained.pictures import levels_in

        loaded = np.load(files[0], allow_pickle=False)
        several = not isinstance(loaded, np.ndarray)
        array = loaded["images"] if several else loaded
        labels = loaded["labels"] if several and "labels" in loaded else None
    except KeyError:
        raise UserError(f"{files[0]}: has no `images`") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{files[0]}: not read: {getattr(error, 'strerror', None) or error}") from error
    image = trained.image
    wanted = (image.channels, image.height, image.width)
    if array.ndim != 4 or array.shape[1:] != wanted or not len(array):
        raise UserError(f"{files[0]}: expected images [N, {str(wanted)[1:-1]}], got {list(array.shape)}")
    return levels_in(array, image.levels), labels


def _labels(trained: Trained, images: Any, beside: Any, told: int | None) -> Any:
    """A label for each image: that which is told, or stands beside them, or is the likeliest; int64 [N]."""
    import numpy as np

    classes = trained.image.classes
    if classes is None:
        if told is not None:
            raise UserError("--label: the model is unconditional")
        return None
    if told is not None:
        if told >= classes:
            raise UserError(f"--label: expected 0..{classes - 1}, got {told}")
        return np.full(len(images), told, np.int64)
    if beside is not None and not (beside == -1).all():  # -1: samples of a network that is told none
        whole = np.issubdtype(beside.dtype, np.integer) and beside.shape == (len(images),)
        if not whole or beside.min() < 0 or beside.max() >= classes:
            raise UserError(
                f"labels: expected {len(images)} whole numbers 0..{classes - 1} beside the images, got "
                f"{beside.dtype} {list(beside.shape)}"
                + (f", {beside.min()}..{beside.max()}" if whole else "")
            )
        return beside.astype(np.int64)
    say(f"no labels were told: each image is coded given that of {classes} under which it is likeliest")
    return np.stack([trained.nats(images, label) for label in range(classes)]).argmin(axis=0)
