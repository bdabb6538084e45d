"""How much better a model knows its training images than others: NLL by split, in nats per image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pixelcnn.data.contract import Split
from pixelcnn.data.images import draw_binary
from pixelcnn.data.prepared import PreparedData
from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.system.seeding import derived_seed


def split_nlls(
    model: AutoregressiveModel, likelihood: Likelihood, data: PreparedData, most: int | None = None
) -> tuple[float, float]:
    """NLL of the training and of the validation split, in nats per image; given the label if conditional.

    Of more than `most` training images so many are drawn, the same ones for every run.

    Raises:
        RunFailed: if a likelihood is NaN or infinite.
    """
    splits = (_drawn(_training_split(data), most), data.splits["valid"])
    train, valid = (evaluate(model, likelihood, split).nll for split in splits)
    return train, valid


def _drawn(split: Split, most: int | None) -> Split:
    if most is None or most >= len(split.images):
        return split
    random = np.random.default_rng(derived_seed(0, "training images of the gap"))
    return split.part(np.sort(random.permutation(len(split.images))[:most]))


def _training_split(data: PreparedData) -> Split:
    """Of intensities one binary drawing, the same for every run, so that runs compare."""
    train = data.splits["train"]
    if not data.train_is_intensity:
        return train
    random = np.random.default_rng(derived_seed(0, "binarization of the training split"))
    return replace(train, images=draw_binary(train.images, random))
