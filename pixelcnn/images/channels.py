"""How the channels of an image are called and shown: the one place that decides it.

One channel is shown as grey, three as red, green and blue. Of other numbers each channel is a grey panel of
its own; panels stand row by row in a block that is about as many panels wide as it is high.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelcnn.data.pictures import CHANNELS as AS_ONE

COLOURS = ("red", "green", "blue")
#: Grey value of what lies between panels, and between images: light on either page colour.
FRAME = 236


def names(channels: int) -> list[str]:
    """What each is called: three are red, green and blue."""
    return list(COLOURS) if channels == len(COLOURS) else [f"channel {i + 1}" for i in range(channels)]


def given(channels: int) -> list[str]:
    """What is known of its pixel when each is predicted; nothing of the first."""
    called = names(channels)
    few = [", ".join(called[:i]) for i in range(min(channels, len(COLOURS)))]
    return few + [f"{called[0]} to {i}" for i in range(len(COLOURS), channels)]


def told(caption: str, channels: int) -> str:
    """What is said of a picture of such images, with how they are shown where that needs a word."""
    if channels in AS_ONE:
        return caption
    return f"{caption}; the {channels} channels of each as grey panels, row by row"


def panels(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images [n, C, H, W] of brightness 0..255 as pictures [n, 1 or 3, h, w]; a pixel between panels."""
    n, channels, height, width = images.shape
    if channels in AS_ONE:
        return images
    columns = math.ceil(math.sqrt(channels))
    rows = -(-channels // columns)
    canvas = np.full((n, 1, rows * (height + 1) - 1, columns * (width + 1) - 1), FRAME, np.uint8)
    for channel in range(channels):
        y, x = channel // columns * (height + 1), channel % columns * (width + 1)
        canvas[:, 0, y : y + height, x : x + width] = images[:, channel]
    return canvas


def picture(image: NDArray[np.uint8]) -> Image.Image:
    """An image [C, H, W] of brightness 0..255 as one picture, grey or in colour."""
    pixels = panels(image[None])[0].transpose(1, 2, 0)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
