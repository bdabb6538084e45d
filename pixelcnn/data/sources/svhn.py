"""Street View House Numbers, 32x32, by torchvision, 66,000 / 7,257 / 26,032; without the extra images.

The last official training images are the validation split.
"""

from __future__ import annotations

from pathlib import Path

from pixelcnn.data.contract import Split
from pixelcnn.data.published import fetched, held_out

CLASSES: int | None = 10
LEVELS = 256
CHANNELS = 3
SIZE = 32

VALID_IMAGES = 7_257


def load(data_root: Path, split_seed: int) -> dict[str, Split]:
    """The three splits; they are fixed, so `split_seed` changes nothing."""
    files = f"train_32x32.mat and test_32x32.mat into {data_root}"
    train, test = (fetched("svhn", "SVHN", data_root, files, split=part) for part in ("train", "test"))
    return held_out(train.data, train.labels, VALID_IMAGES, Split(test.data, test.labels))
