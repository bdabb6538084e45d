"""The nearest training image of an image; a sample much nearer to one than test images are is memorised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixelcnn.data.prepared import PreparedData

#: Numbers in memory at once, 8 bytes each.
BLOCK = 2**22


def nearest(
    images: NDArray[np.uint8], train: NDArray[np.uint8], levels: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each of `images` [n, C, H, W] the index of the nearest of `train` [N, C, H, W], and the distance.

    The distance is the root mean square difference of pixels scaled to 0..1; of equally near ones the
    first is taken. Works on blocks of training images, so that no table of all pairs is held.
    """
    asked = images.reshape(len(images), -1).astype(np.float64)
    dims = asked.shape[1]
    index = np.zeros(len(asked), np.int64)
    smallest = np.full(len(asked), np.inf)
    step = max(1, BLOCK // max(dims, len(asked)))
    for start in range(0, len(train), step):
        block = train[start : start + step].reshape(-1, dims).astype(np.float64)
        # |a - b|^2 = |a|^2 - 2 ab + |b|^2, exact: sums of products of integers in float64.
        squares = (asked**2).sum(1)[:, None] - 2 * asked @ block.T + (block**2).sum(1)[None]
        best = squares.argmin(axis=1)
        found = squares[np.arange(len(asked)), best]
        nearer = found < smallest
        index[nearer], smallest[nearer] = best[nearer] + start, found[nearer]
    return index, np.sqrt(smallest / dims) / (levels - 1)


def nearest_or_mirrored(
    images: NDArray[np.uint8], train: NDArray[np.uint8], levels: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """As `nearest`, but among `train` and their mirror images; and whether it is one of the latter, [n]."""
    index, distance = nearest(images, train, levels)
    # To mirror both images of a pair changes no distance.
    other, to_mirrored = nearest(images[..., ::-1], train, levels)
    mirrored = to_mirrored < distance
    return np.where(mirrored, other, index), np.minimum(distance, to_mirrored), mirrored


def training_images(data: PreparedData) -> NDArray[np.uint8]:
    """The training images at the data's levels: intensities, of which binary ones are drawn, cut at 1/2."""
    images = data.splits["train"].images
    return (images >= 128).astype(np.uint8) if data.train_is_intensity else images
