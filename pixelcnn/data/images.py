"""From raw images to the integers that a model describes: pooled, quantised, binarized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import SPLITS, Source, Split
from pixelcnn.data.scratch import Scratch, chunks


def pool(split: Split, size: tuple[int, int]) -> Split:
    """Average over equal rectangles to a (height, width), rounded to the nearest integer."""
    _, c, h, w = split.images.shape
    height, width = size
    if (h, w) == size:
        return split

    def pooled(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
        blocks = part.reshape(len(part), c, height, h // height, width, w // width)
        means: NDArray[np.uint8] = np.rint(blocks.mean(axis=(3, 5))).astype(np.uint8)
        return means

    return _made(split, pooled, (c, height, width))


def quantise(split: Split, name: str, spec: DatasetSpec, source: Source) -> Split:
    """The images of the split called `name` with the levels of `spec`, binarized as it says."""
    if spec.levels == source.levels:
        return split
    if spec.binarize == "stochastic":
        if name == "train":  # drawn anew for every epoch, from intensities on the scale 0..255
            return split
        # Validation and test images are drawn once: a number on them stays comparable.
        random = np.random.default_rng([spec.split_seed, SPLITS.index(name)])
        return _made(split, lambda part: draw_binary(part, random))
    table = (np.arange(source.levels) * spec.levels // source.levels).astype(np.uint8)
    return _made(split, lambda part: table[part])


def _made(
    split: Split,
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    shape: tuple[int, ...] | None = None,
) -> Split:
    """A split whose images are changed, part by part, to others of a shape [C, H, W], if not of theirs."""
    parts = (change(part) for part in chunks(split.images))
    return replace(split, images=Scratch.of(parts, shape or split.images.shape[1:]))


def draw_binary(intensity: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Binary images whose pixels are 1 with probability intensity/255."""
    return (random.random(intensity.shape, dtype=np.float32) * 255 < intensity).astype(np.uint8)
