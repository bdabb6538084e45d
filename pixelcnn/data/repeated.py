"""Images that stand in two splits: what a model has learnt by heart is no test of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.data.contract import SPLITS, Split
from pixelcnn.data.scratch import chunks

#: The splits in words.
WORDS = {"train": "training", "valid": "validation", "test": "test"}


def count_repeated(splits: Mapping[str, Split]) -> dict[str, int]:
    """How many images of a split are in an earlier one, too, pixel by pixel: by "test in train" and so on."""
    found = {
        name: [_digest(image) for part in chunks(splits[name].images) for image in part] for name in SPLITS
    }
    seen = {name: set(digests) for name, digests in found.items()}
    return {
        f"{later} in {earlier}": sum(digest in seen[earlier] for digest in found[later])
        for earlier, later in combinations(SPLITS, 2)
    }


def _digest(image: NDArray[np.uint8]) -> bytes:
    """16 bytes that stand for an image: those of all images take little memory."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def repeated_words(description: Mapping[str, Any]) -> list[str]:
    """Sentences on images in two splits, from the description of prepared data; older ones do not say."""
    sentences = []
    for pair, count in (description.get("repeated") or {}).items():
        later, _, earlier = pair.partition(" in ")
        if count:
            part = f"{count:,} of {description['counts'][later]:,} {WORDS[later]} images"
            sentences.append(f"{part} are {WORDS[earlier]} images, too, pixel by pixel")
    return sentences
