"""From raw images to the integers that a model describes: pooled, quantised, binarized."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import SPLITS, Source, Split

#: Images that are averaged at once: in floating point they take eight times the memory.
TOGETHER = 1024


def pool(split: Split, size: tuple[int, int]) -> Split:
    """Average over equal rectangles to a (height, width), rounded to the nearest integer."""
    n, c, h, w = split.images.shape
    height, width = size
    if (h, w) == size:
        return split
    pooled = np.empty((n, c, height, width), np.uint8)
    for start in range(0, n, TOGETHER):
        part = split.images[start : start + TOGETHER]
        blocks = part.reshape(len(part), c, height, h // height, width, w // width)
        pooled[start : start + TOGETHER] = np.rint(blocks.mean(axis=(3, 5)))
    return replace(split, images=pooled)


def quantise(split: Split, name: str, spec: DatasetSpec, source: Source) -> Split:
    """The images of the split called `name` with the levels of `spec`, binarized as it says."""
    if spec.levels == source.levels:
        return split
    if spec.binarize == "stochastic":
        if name == "train":  # drawn anew for every epoch, from intensities on the scale 0..255
            return split
        # Validation and test images are drawn once: a number on them stays comparable.
        random = np.random.default_rng([spec.split_seed, SPLITS.index(name)])
        return replace(split, images=draw_binary(split.images, random))
    # By a table of all levels: no wider numbers of all images are held.
    table = (np.arange(source.levels) * spec.levels // source.levels).astype(np.uint8)
    return replace(split, images=table[split.images])


def draw_binary(intensity: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Binary images whose pixels are 1 with probability intensity/255."""
    return (random.random(intensity.shape, dtype=np.float32) * 255 < intensity).astype(np.uint8)
