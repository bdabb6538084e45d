"""A picture file as whole numbers: by Pillow, in the colours, cut and size that the config asks for."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.system.errors import ConfigError

NAMES = ("avif", "bmp", "gif", "jpeg", "jpg", "pbm", "pgm", "png", "ppm", "tif", "tiff", "webp")
#: What a picture's name ends in; other files are no pictures.
SUFFIXES = {f".{name}" for name in NAMES}
#: Of an image made of a picture: grey, or red, green and blue.
CHANNELS = (1, 3)
#: Pillow's modes of 8 bits and fewer a channel, and of 16 bits.
EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa")
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")


class Unreadable(Exception):
    """A file that gives no picture; it can be left out. The message says why."""


class Unfit(Exception):
    """A picture that the dataset's section does not say how to take. The message says what to write there.

    found: what the picture is, without that.
    """

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(f"{found}: {advice}")
        self.found = found


@dataclass(frozen=True)
class Reading:
    """How pictures become images uint8 [channels, *size], size (height, width)."""

    channels: int
    size: tuple[int, int]
    crop: str | None = None
    resize: str | None = None
    background: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, spec: DatasetSpec) -> Reading:
        """What the section of a dataset says.

        Raises:
            ConfigError: naming the key that is missing or wrong.
        """
        if spec.height_width is None:
            raise ConfigError(f"image_size: source: {spec.source} needs it: pictures may be of any size")
        if spec.channels not in CHANNELS:
            got = "" if spec.channels is None else f", got {spec.channels}"
            raise ConfigError(f"channels: source: {spec.source} needs channels: 1 (grey) or 3 (colour){got}")
        background = None
        if spec.background is not None:
            try:
                background = ImageColor.getrgb(spec.background)[:3]
            except ValueError:
                raise ConfigError(
                    f"background: expected a colour such as white or '#ffffff', got {spec.background!r}"
                ) from None
        return cls(spec.channels, spec.height_width, spec.crop, spec.resize, background)

    def read(self, file: Path) -> NDArray[np.uint8]:
        """The picture of a file: uint8 [channels, *size], turned as its EXIF data say.

        Raises:
            Unreadable: if the file is no single picture, is damaged or of a kind without plain colours.
            Unfit: if it is transparent without a background, or of another size or shape.
        """
        return self.fitted(self._flat(opened(file)))

    def _flat(self, picture: Image.Image) -> NDArray[np.uint8]:
        """Without transparency and palette: uint8 [channels, h, w]."""
        if picture.mode in SIXTEEN_BITS:  # the upper 8 bits, as 65,536 levels are quantised to 256
            flat = Image.fromarray((np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8))
        elif picture.has_transparency_data:
            flat = Image.fromarray(self._on_background(np.asarray(picture.convert("RGBA"))))
        else:
            flat = picture
        pixels = np.asarray(flat.convert("L" if self.channels == 1 else "RGB"))
        return pixels[None] if self.channels == 1 else pixels.transpose(2, 0, 1)

    def _on_background(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Colours [h, w, 3] of pixels [h, w, 4] before the background, rounded to the nearest."""
        colours, opaque = pixels[:, :, :3].astype(np.uint32), pixels[:, :, 3:].astype(np.uint32)
        if (opaque == 255).all():
            return colours.astype(np.uint8)
        if self.background is None:
            raise Unfit("transparent", "say what shines through, such as background: white")
        behind = np.array(self.background, np.uint32)
        return ((colours * opaque + behind * (255 - opaque) + 127) // 255).astype(np.uint8)

    def fitted(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut and averaged to the size asked for: uint8 [C, h, w] to [C, *size]."""
        found, asked = pixels.shape[1:], self.size
        words = f"{found[0]}x{found[1]} and not {asked[0]}x{asked[1]} (height x width)"
        if found[0] < asked[0] or found[1] < asked[1]:
            raise Unfit(words, "choose a smaller image_size")
        if found != asked and self.crop is None and self.resize is None:
            raise Unfit(words, "say crop: center, resize: area or both")
        if self.crop is not None:
            pixels = _centre(pixels, self._cut(found))
        elif found[0] * asked[1] != found[1] * asked[0]:
            raise Unfit(f"{words}, nor of its shape", "say crop: center, too")
        return area(pixels, asked)

    def _cut(self, found: tuple[int, ...]) -> tuple[int, int]:
        """What is kept of a picture: with resizing the largest part of the shape asked for."""
        if self.resize is None:
            return self.size
        factor = min(found[0] / self.size[0], found[1] / self.size[1])
        return round(self.size[0] * factor), round(self.size[1] * factor)


def opened(file: Path) -> Image.Image:
    """The one picture in a file, turned as its EXIF data say.

    Raises:
        Unreadable: if the file is no single picture, is damaged or of a kind without plain colours.
    """
    try:
        with Image.open(file) as picture:
            if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":  # a camera's, with a preview
                raise Unreadable("an animation or several pages, not one picture")
            if picture.mode not in (*EIGHT_BITS, *SIXTEEN_BITS):
                raise Unreadable(f"colours of the kind {picture.mode}, expected grey or RGB")
            picture.load()
            return ImageOps.exif_transpose(picture)
    except UnidentifiedImageError:
        raise Unreadable("empty" if file.stat().st_size == 0 else "no picture that Pillow knows") from None
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    except (SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:  # what decoders raise
        raise Unreadable(str(error)) from error


def _centre(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    top, left = ((found - kept) // 2 for found, kept in zip(pixels.shape[1:], size, strict=True))
    return pixels[:, top : top + size[0], left : left + size[1]]


def area(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Average over the rectangle that each new pixel covers, parts of pixels by their area: exact.

    uint8 [C, h, w] to [C, *size], rounded to the nearest integer; by a whole factor it is average pooling.
    """
    _, height, width = pixels.shape
    if (height, width) == size:
        return pixels
    # The overlaps are whole numbers, in units of one pixel divided by the new height (width).
    sums = _overlaps(height, size[0]) @ pixels.astype(np.float64) @ _overlaps(width, size[1]).T
    averages: NDArray[np.uint8] = np.rint(sums / (height * width)).astype(np.uint8)
    return averages


@functools.lru_cache(maxsize=64)
def _overlaps(found: int, asked: int) -> NDArray[np.float64]:
    """How far each of `asked` equal parts of a line covers each of its `found` pixels: [asked, found]."""
    starts, ends = np.arange(asked)[:, None] * found, np.arange(1, asked + 1)[:, None] * found
    first, last = np.arange(found) * asked, np.arange(1, found + 1) * asked
    overlaps: NDArray[np.int64] = np.minimum(ends, last) - np.maximum(starts, first)
    return overlaps.clip(0).astype(np.float64)
