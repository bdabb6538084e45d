"""From raw images to the integers that a model describes: pooled, quantised, binarized."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import SPLITS, Source, Split


def pool(split: Split, factor: int) -> Split:
    """Average over factor x factor pixels, rounded to the nearest integer."""
    if factor == 1:
        return split
    n, c, h, w = split.images.shape
    blocks = split.images.reshape(n, c, h // factor, factor, w // factor, factor)
    return replace(split, images=np.rint(blocks.mean(axis=(3, 5))).astype(np.uint8))


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
    levels = split.images.astype(np.uint32) * spec.levels // source.levels
    return replace(split, images=levels.astype(np.uint8))


def draw_binary(intensity: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Binary images whose pixels are 1 with probability intensity/255."""
    return (random.random(intensity.shape, dtype=np.float32) * 255 < intensity).astype(np.uint8)
