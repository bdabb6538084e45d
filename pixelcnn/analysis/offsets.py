"""Which offsets of a known field a network can see at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.sources import markov
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.system.errors import UserError


def offsets_seen(model: AutoregressiveModel, dataset: DatasetSpec) -> NDArray[np.bool_] | None:
    """Whether the pixel at each offset is in the reach of every pixel that copies it: bool [offsets].

    None of images that are drawn otherwise, and of a network whose layers do not state their reach.
    """
    if dataset.field is None or not (answers := markov.answers(dataset)):
        return None
    try:
        reach = model.reach().numpy()
    except UserError:
        return None
    height, width = reach.shape[:2]
    by_place = reach.reshape(height, width, height, width)
    return np.array(
        [
            all(by_place[r, c, r + down, c + right] for r, c in places)
            for (down, right), places in answers.items()
        ]
    )
