"""Checkpoints: what rebuilds a model, written atomically, never executing code when loaded."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pixelcnn.config.differences import edited, told
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.models.registry import build_model
from pixelcnn.system.code_digest import code_digest, own_files
from pixelcnn.system.errors import ConfigError, UserError
from pixelcnn.system.files import atomic

FORMAT = 1
ANEW = "if it is a run's, delete it, and `pixelcnn train` makes it anew"

#: What a checkpoint holds at least.
ENTRIES = {"spec", "image", "data_sha256", "epoch", "weights", "ema_weights"}

#: What reading a damaged file of tensors raises.
DAMAGED = (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError)


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a run after `epoch` passes, whole or not. `image` is the dataset's, with its classes.

    `code` is the digest of the package's code that trained it, None if it was not noted.
    """

    spec: RunSpec
    image: ImageSpec
    data_sha256: str
    epoch: float
    weights: dict[str, Tensor]
    ema_weights: dict[str, Tensor]
    code: str | None = None

    def model(self) -> tuple[AutoregressiveModel, Likelihood]:
        """The model with its EMA weights, in evaluation mode, and its likelihood.

        Other code can make another function of the same weights. That of a user's own file is refused; that
        of this package, of which more decides a training than a likelihood, is warned of.

        Raises:
            UserError: if the weights do not fit the architecture as it is now, or its own file was edited.
        """
        self._check_code()
        model, likelihood = build_model(self.spec.variant, self.image)
        try:
            model.load_state_dict(self.ema_weights)
        except RuntimeError as error:
            raise UserError(
                f"checkpoint of {self.spec.name}: does not fit the architecture: {error}"
            ) from error
        return model.eval(), likelihood

    def _check_code(self) -> None:
        variant = self.spec.variant
        for key, name in (("likelihood", variant.likelihood), ("model", variant.model)):
            trained = self.spec.own_files.get(key, {})
            # A file that is not there is left to who loads it.
            if (now := own_files(name)) and (other := edited(trained, now)):
                raise UserError(
                    f"checkpoint of {self.spec.name}: {name} is not the code that trained it "
                    f"({told(other)}); put that code back, or train it again"
                )
        if self.code not in (None, today := code_digest(name)):
            warnings.warn(
                f"{self.spec.name} was trained by other code of pixelcnn (digest {self.code}, it is now "
                f"{today}), which may make another function of the same weights",
                stacklevel=3,
            )

    def require_data(self, sha256: str, run_dir: Path) -> None:
        """Refuse data that this was not trained on.

        Raises:
            UserError: naming the run.
        """
        if self.data_sha256 != sha256:
            raise UserError(
                f"{run_dir}: trained on data with SHA-256 {self.data_sha256}, "
                f"the prepared data has {sha256}; train it again"
            )


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, atomically."""
    value = {
        "format": FORMAT,
        "spec": json.dumps(checkpoint.spec.to_json()),
        "image": asdict(checkpoint.image),
        "data_sha256": checkpoint.data_sha256,
        "epoch": checkpoint.epoch,
        "weights": checkpoint.weights,
        "ema_weights": checkpoint.ema_weights,
        "code": checkpoint.code,
    }
    # Through memory: torch's own writer reports a full disk as an error of its internals.
    buffer = io.BytesIO()
    torch.save(value, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_tensors(path: Path) -> Any:
    """What torch.save wrote: tensors and plain data only, whose checksums are right.

    Raises:
        OSError: if it cannot be read.
        one of DAMAGED: if it is damaged, or holds code (never executed) or anything else.
    """
    content = io.BytesIO(path.read_bytes())  # so that an OSError is one of the disk, not of the format
    if not zipfile.is_zipfile(content):
        raise ValueError("it is cut off, or no file of torch's")
    with zipfile.ZipFile(content) as file:  # torch writes checksums, but does not look at them
        if (member := file.testzip()) is not None:
            raise ValueError(f"the checksum of {member} is wrong")
    content.seek(0)
    return torch.load(content, map_location="cpu", weights_only=True)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; tensors and plain data only, nothing else is unpickled.

    Raises:
        UserError: if it is missing, damaged, or holds anything but plain data.
    """
    if not path.is_file():
        raise UserError(f"{path}: no checkpoint there; run `pixelcnn train` first")
    try:
        value = read_tensors(path)
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: not loaded: it is damaged or holds more than plain data; {ANEW}") from error
    except DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not loaded: no checkpoint, or damaged: {reason}; {ANEW}") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT or ENTRIES - value.keys():
        raise UserError(f"{path}: not a checkpoint of format {FORMAT}")
    try:
        spec = RunSpec.from_json(json.loads(value["spec"]))
    except ConfigError as error:
        raise UserError(
            f"{path}: {error}; was it made by another version? `pixelcnn train --force` replaces it"
        ) from error
    return Checkpoint(
        spec=spec,
        image=ImageSpec(**value["image"]),
        data_sha256=value["data_sha256"],
        epoch=value["epoch"],
        weights=value["weights"],
        ema_weights=value["ema_weights"],
        code=value.get("code"),
    )
