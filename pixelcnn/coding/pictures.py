"""What general formats need for the same images, without loss: for scale."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

#: Pixels of a side that WebP holds at most.
LONGEST = 16383


def png_bytes(images: NDArray[np.uint8], levels: int) -> int:
    """Bytes of one PNG of all images [N, C, H, W], at the fewest bits that hold the levels, or at 8 bits."""
    tall = one_picture(images)
    if tall.ndim == 3:
        return _size(Image.fromarray(tall), "PNG", optimize=True)
    few = Image.fromarray(tall)
    sizes = [_size(few, "PNG", optimize=True)]
    if levels <= 16:
        paletted = few.copy()
        paletted.putpalette([level for level in range(levels) for _ in range(3)])
        bits = next(bits for bits in (1, 2, 4) if levels <= 2**bits)
        sizes.append(_size(paletted, "PNG", optimize=True, bits=bits))
    return min(sizes)


def webp_bytes(images: NDArray[np.uint8]) -> int | None:
    """Bytes of one lossless WebP of all images [N, C, H, W]; None where Pillow has no WebP."""
    if not features.check("webp"):
        return None
    picture = Image.fromarray(one_picture(images)).convert("RGB")
    return _size(picture, "WEBP", lossless=True, quality=100, method=6, exact=True)


def one_picture(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """All images below each other, in as many columns as it takes: [h, w], or [h, w, 3] in colour.

    Of other numbers of channels each is an image of its own.
    """
    if images.shape[1] not in (1, 3):
        images = images.reshape(-1, 1, *images.shape[2:])
    n, channels, height, width = images.shape
    columns = math.ceil(n * height / LONGEST)
    rows = math.ceil(n / columns)
    padded = np.zeros((rows * columns, channels, height, width), np.uint8)
    padded[:n] = images
    grid = padded.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    tall: NDArray[np.uint8] = grid.reshape(rows * height, columns * width, channels)
    return np.ascontiguousarray(tall[:, :, 0] if channels == 1 else tall)


def _size(picture: Image.Image, form: str, **options: Any) -> int:
    stream = io.BytesIO()
    picture.save(stream, format=form, **options)
    return len(stream.getvalue())
