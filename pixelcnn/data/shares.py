"""A seeded split in given shares, class by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pixelcnn.system.errors import DataError

#: Of training, validation and test images, unless the config says others.
SHARES = (0.8, 0.1, 0.1)


def stratified(
    labels: NDArray[np.int64], names: Sequence[str], shares: Sequence[float], where: str, seed: int
) -> list[NDArray[np.int64]]:
    """Indices [n] of each split, in random order: of every class each has about its share, and one at least.

    `names` are those of the classes, `where` what stands before an error.

    Raises:
        DataError: naming a class that has fewer images than there are splits.
    """
    random = np.random.default_rng(seed)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        if len(members) < len(shares):
            of = f"class {names[label]} has" if names else "there are"
            raise DataError(f"{where}: {of} {len(members)} images, too few for {len(shares)} splits")
        ends = np.rint(np.cumsum(shares)[:-1] / np.sum(shares) * len(members)).astype(int)
        for i in range(len(ends)):  # one image at least for each split before and after
            ends[i] = max(ends[i], (ends[i - 1] if i else 0) + 1)
        for i in reversed(range(len(ends))):
            ends[i] = min(ends[i], (ends[i + 1] if i + 1 < len(ends) else len(members)) - 1)
        for part, found in zip(parts, np.split(members, ends), strict=True):
            part.append(found)
    return [random.permutation(np.concatenate(part)) for part in parts]
