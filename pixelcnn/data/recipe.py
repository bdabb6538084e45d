"""Pictures from files as the images of a dataset were made, for a model that was trained on these."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import source_of
from pixelcnn.data.images import draw_binary
from pixelcnn.data.pictures import CHANNELS, Reading, Unfit, Unreadable
from pixelcnn.data.sources import celeba
from pixelcnn.system.errors import ConfigError, UserError

#: Pillow's modes of 8 bits and fewer a channel.
EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa")
#: What decoders raise of damaged files.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Recipe:
    """How a picture becomes an image of a model: uint8 [channels, *size] with values 0..levels-1.

    size: the model's height and width. raw_size, raw_levels: those of the source's images before they were
    pooled and quantised; an unknown source is taken to have 256 levels and the model's size. `reading` is how
    pictures of any size are taken, where those of training were. `face` is what makes an image of a picture
    of the raw size, where that is not pooling alone.
    """

    spec: DatasetSpec
    channels: int
    size: tuple[int, int]
    raw_size: tuple[int, int]
    raw_levels: int
    reading: Reading | None = None
    face: Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.uint8]] | None = None

    @classmethod
    def of(cls, spec: DatasetSpec, channels: int, height: int, width: int) -> Recipe:
        """That of a dataset, for a model of images of this shape."""
        size = (height, width)
        if spec.source == "folder":
            return cls(spec, channels, size, size, 256, Reading.of(spec))
        if spec.source == "celeba":
            return cls(spec, channels, size, celeba.PICTURE, 256, face=celeba.kept)
        try:
            source = source_of(spec)
        except ConfigError:  # one's own, and its file is not here
            return cls(spec, channels, size, size, 256)
        if any(raw % own for raw, own in zip(source.size, size, strict=True)):
            return cls(spec, channels, size, size, source.levels)  # another file is there now
        return cls(spec, channels, size, source.size, source.levels)

    def said(self) -> str:
        """What is done to a picture, in one sentence."""
        height, width = self.size
        kinds = {1: "grey", 3: "RGB"}
        steps = [f"pictures are read as {kinds.get(self.channels, f'{self.channels} channels')}"]
        if self.reading and (self.reading.crop or self.reading.resize):
            how = {"cropped to their centre": self.reading.crop, "averaged": self.reading.resize}
            words = " and ".join(word for word, asked in how.items() if asked)
            steps.append(f"{words} to {self.size[0]}x{self.size[1]}")
        elif self.raw_size != self.size:
            raw = f"{self.raw_size[0]}x{self.raw_size[1]}"
            cut = "cut to the face and " if self.face else ""
            steps.append(
                f"those of {raw} {cut}averaged to {height}x{width}, those of {height}x{width} as they are"
            )
        if self.spec.binarize == "stochastic":
            steps.append(
                "each pixel drawn as 0 or 1 with its brightness as the probability, the same each time"
            )
        elif self.spec.levels == 2 and self.raw_levels > 2:
            steps.append("brightness 128 and above made 1, below 0")
        else:
            steps.append(f"quantised to {self.spec.levels} levels")
        return ", ".join(steps) + f", as the images of {self.spec.source} were for training"

    def read(self, files: Sequence[Path]) -> NDArray[np.uint8]:
        """The pictures of some files: uint8 [N, C, H, W].

        Raises:
            UserError: naming every file that cannot be read, or is of another size, and why; or if the
                model's images have other channels than pictures.
        """
        if self.channels not in CHANNELS:
            raise UserError(
                f"{files[0]}: a picture gives 1 channel (grey) or 3 (colour), the model's images have "
                f"{self.channels}; `pixelcnn.load` in Python takes them as arrays"
            )
        images = np.zeros((len(files), self.channels, *self.size), np.uint8)
        wrong = []
        for index, file in enumerate(files):
            try:
                images[index] = self.image(self._pixels(file))
            except UserError as error:
                wrong.append(str(error))
        if wrong:
            raise UserError("; ".join(wrong))
        return images

    def images(self, pictures: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """The images of pictures [N, C, h, w] with brightnesses 0..255: uint8 [N, C, H, W].

        Raises:
            UserError: if they are no such numbers, or of another size, saying what was expected.
        """
        array = np.asarray(pictures)
        if array.ndim != 4 or array.shape[1] != self.channels or not array.size:
            wanted = f"[N, {self.channels}, height, width]"
            raise UserError(f"pictures: expected shape {wanted}, got {list(array.shape)}")
        if not np.issubdtype(array.dtype, np.integer):
            raise UserError(f"pictures: expected integers 0..255, got {array.dtype}")
        if array.min() < 0 or array.max() > 255:
            raise UserError(f"pictures: expected integers 0..255, got {array.min()}..{array.max()}")
        try:
            return np.stack([self.image(self._fitted(picture)) for picture in array.astype(np.uint8)])
        except UserError as error:
            raise UserError(f"pictures: {error}") from error

    def image(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image of brightnesses 0..255, [C, h, w] of the raw size or the model's: uint8 [C, H, W]."""
        raw = (pixels.astype(np.uint32) * self.raw_levels // 256).astype(np.uint8)
        (channels, height, width), (rows, columns) = raw.shape, self.size
        blocks = raw.reshape(channels, rows, height // rows, columns, width // columns)
        pooled: NDArray[np.uint8] = np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)
        if self.spec.levels == self.raw_levels:
            return pooled
        if self.spec.binarize == "stochastic":
            # By the picture itself: its number is the same alone and among others.
            random = np.random.default_rng([self.spec.split_seed, zlib.crc32(pooled.tobytes())])
            return draw_binary(pooled, random)
        levels = pooled.astype(np.uint32) * self.spec.levels // self.raw_levels
        quantised: NDArray[np.uint8] = levels.astype(np.uint8)
        return quantised

    def read_as(self) -> NDArray[np.uint8]:
        """The level of each brightness 0..255, where nothing is averaged: uint8 [256]."""
        brightness = np.arange(256, dtype=np.uint8)
        if self.spec.binarize == "stochastic":
            certain: NDArray[np.uint8] = brightness // 255  # what lies between is drawn
            return certain
        alone = replace(self, size=(1, 256), raw_size=(1, 256))
        read: NDArray[np.uint8] = alone.image(brightness[None, None])[0, 0]
        return read

    def _pixels(self, file: Path) -> NDArray[np.uint8]:
        """Brightnesses uint8 [C, h, w] of one of the two sizes."""
        if self.reading:
            try:
                return self.reading.read(file)
            except Unfit as unfit:
                raise UserError(f"{file}: {unfit.found}") from unfit
            except Unreadable as error:
                raise UserError(f"{file}: {error}") from error
            except OSError as error:
                raise UserError(f"{file}: {error.strerror or error}") from error
        picture = opened(file)
        if picture.has_transparency_data and np.asarray(picture.convert("RGBA"))[:, :, 3].min() < 255:
            raise UserError(f"{file}: transparent, expected a picture without transparency")
        pixels = np.asarray(picture.convert("L" if self.channels == 1 else "RGB"))
        try:
            return self._fitted(pixels[None] if self.channels == 1 else pixels.transpose(2, 0, 1))
        except UserError as error:
            raise UserError(f"{file}: {error}") from error

    def _fitted(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Brightnesses uint8 [C, h, w] of one of the two sizes; cut to it, where training did so."""
        if self.reading:
            try:
                return self.reading.fitted(pixels)
            except Unfit as unfit:
                raise UserError(unfit.found) from unfit
        found = pixels.shape[1:]
        if found not in (self.size, self.raw_size):
            expected = " or ".join(f"{h}x{w}" for h, w in dict.fromkeys((self.raw_size, self.size)))
            raise UserError(f"{found[0]}x{found[1]} (height x width), expected {expected}")
        return self.face(pixels, self.size) if self.face and found == self.raw_size else pixels


def opened(file: Path) -> Image.Image:
    """The one picture in a file, turned as its EXIF data say.

    Raises:
        UserError: naming the file and what is wrong with it.
    """
    try:
        if file.stat().st_size == 0:
            raise UserError(f"{file}: empty, it has no bytes")
        with Image.open(file) as picture:
            if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":  # a camera's, with a preview
                raise UserError(f"{file}: animated or of several pages, expected one picture")
            if picture.mode not in EIGHT_BITS:
                raise UserError(f"{file}: pixels of the kind {picture.mode}, expected grey or RGB of 8 bits")
            picture.load()
            return ImageOps.exif_transpose(picture)
    except FileNotFoundError:
        raise UserError(f"{file}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"{file}: a folder, expected a picture") from None
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or str(error).replace(f" {str(file)!r}", "")
        raise UserError(f"{file}: not read: {reason}") from error


def pictures(given: Sequence[Path]) -> list[Path]:
    """The files meant, in the order given; those of a folder and its sub-folders in the order of their names.

    Raises:
        UserError: if a folder has no pictures.
    """
    return [file for path in given for file in ([path] if not path.is_dir() else _inside(path))]


def _inside(folder: Path) -> Iterator[Path]:
    suffixes = Image.registered_extensions()
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise UserError(f"{folder}: a folder without pictures")
    yield from found
