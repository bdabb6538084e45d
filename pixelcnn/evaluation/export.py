"""A trained model as one safetensors file: EMA weights and what rebuilds the network, no code, no state."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.prepared import PreparedData
from pixelcnn.evaluation.likelihoods import class_prior
from pixelcnn.models.base import ImageSpec
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.exported import ENTRY, FORMAT, opened
from pixelcnn.system.files import atomic


@dataclass(frozen=True)
class Exported:
    """A model from a file; `prior` [K] are the training images' class frequencies, of a conditional one."""

    checkpoint: Checkpoint
    prior: NDArray[np.float64] | None


def save(checkpoint: Checkpoint, data: PreparedData, path: Path) -> None:
    """Write the EMA weights of a checkpoint, atomically; the same ones give the same bytes.

    From the data that it was trained on come the class frequencies of a conditional model.
    """
    prior: list[float] | None = None
    if checkpoint.spec.variant.conditional and checkpoint.image.classes is not None:
        prior = class_prior(data.splits["train"], checkpoint.image.classes).tolist()
    description = {
        "format": FORMAT,
        "spec": checkpoint.spec.to_json(),
        "image": asdict(checkpoint.image),
        "data_sha256": checkpoint.data_sha256,
        "epoch": checkpoint.epoch,
        "prior": prior,
        "code": checkpoint.code,
    }
    weights = {name: value.cpu().contiguous() for name, value in checkpoint.ema_weights.items()}
    with atomic(path) as temporary:
        save_file(weights, temporary, {ENTRY: json.dumps(description, sort_keys=True)})


def load(path: Path) -> Exported:
    """Read what `save` wrote.

    Raises:
        UserError: if it is missing, damaged or not of this format.
    """
    with opened(path, "pt") as (description, file):
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    checkpoint = Checkpoint(
        spec=RunSpec.from_json(description["spec"]),
        image=ImageSpec(**description["image"]),
        data_sha256=description["data_sha256"],
        epoch=description["epoch"],
        weights=weights,
        ema_weights=weights,
        code=description.get("code"),
    )
    prior = description["prior"]
    return Exported(checkpoint, None if prior is None else np.array(prior))
