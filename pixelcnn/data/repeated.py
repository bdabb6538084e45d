"""Images that stand in two splits: what a model has learnt by heart is no test of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from pixelcnn.data.contract import SPLITS, Split

#: The splits in words.
WORDS = {"train": "training", "valid": "validation", "test": "test"}


def count_repeated(splits: Mapping[str, Split]) -> dict[str, int]:
    """How many images of a split are in an earlier one, too, pixel by pixel: by "test in train" and so on."""
    seen = {name: {image.tobytes() for image in splits[name].images} for name in SPLITS}
    return {
        f"{later} in {earlier}": sum(image.tobytes() in seen[earlier] for image in splits[later].images)
        for earlier, later in combinations(SPLITS, 2)
    }


def repeated_words(description: Mapping[str, Any]) -> list[str]:
    """Sentences on images in two splits, from the description of prepared data; older ones do not say."""
    sentences = []
    for pair, count in (description.get("repeated") or {}).items():
        later, _, earlier = pair.partition(" in ")
        if count:
            part = f"{count:,} of {description['counts'][later]:,} {WORDS[later]} images"
            sentences.append(f"{part} are {WORDS[earlier]} images, too, pixel by pixel")
    return sentences
