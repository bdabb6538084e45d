"""Where a trained model lies: a checkpoint, an exported file, a run's folder, a folder of MLflow's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.data.prepared import load_prepared
from pixelcnn.evaluation import export
from pixelcnn.evaluation.likelihoods import class_prior
from pixelcnn.results import checkpoint
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import DatasetFolder, RunFolder
from pixelcnn.system.errors import UserError
from pixelcnn.trained.own import OWN, own_name

EXPECTED = "expected a checkpoint.pt, a model.safetensors, the folder of a run, or one of an MLflow model"
#: What MLflow's own description of a model is called.
DESCRIPTION = "MLmodel"

Prior = NDArray[np.float64]


def read(path: Path) -> tuple[Checkpoint, Prior | None]:
    """A model and, of a conditional one, the class frequencies [K] of its training images.

    An exported model has them. A checkpoint has not: they are taken from the exported model or the prepared
    images of its run, if these are of the same data; otherwise they are None.

    Raises:
        UserError: if there is no model, or it is damaged.
    """
    try:
        if path.is_dir():
            return _of_mlflow(path) if (path / DESCRIPTION).exists() else _of_run(path)
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; {EXPECTED}")
        if path.suffix == ".safetensors":
            exported = export.load(path)
            return exported.checkpoint, exported.prior
        if path.suffix != ".pt":
            raise UserError(f"{path}: no model; {EXPECTED}")
        trained = checkpoint.load(path)
        return trained, _prior(trained, RunFolder(path.resolve().parent))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def _of_run(path: Path) -> tuple[Checkpoint, Prior | None]:
    run = RunFolder(path.resolve())
    if run.checkpoint.exists():
        return read(path / run.checkpoint.name)
    if run.model.exists():
        return read(path / run.model.name)
    if run.attempt.path.is_dir():
        raise UserError(f"{path}: a run that is still training, or was interrupted: it has no model yet")
    raise UserError(f"{path}: a folder without {run.checkpoint.name}; {EXPECTED}")


def _prior(trained: Checkpoint, run: RunFolder) -> Prior | None:
    classes = trained.image.classes
    if not trained.spec.variant.conditional or classes is None:
        return None
    if run.model.exists():
        exported = export.load(run.model)
        if exported.checkpoint.data_sha256 == trained.data_sha256:
            return exported.prior
    prepared = DatasetFolder(run.path.parent.parent).data
    if prepared.exists():
        data = load_prepared(prepared)
        if data.sha256 == trained.data_sha256:
            return class_prior(data.splits["train"], classes)
    return None


def _of_mlflow(path: Path) -> tuple[Checkpoint, Prior | None]:
    artifacts = path / "artifacts"
    found = sorted(artifacts.glob("*.safetensors"))
    if len(found) != 1:
        raise UserError(f"{path}: an MLflow model, but not of pixelcnn: no weights in {artifacts}")
    return of_artifacts(found[0], {part: artifacts / name for part, name in OWN.items()})


def of_artifacts(weights: Path, own: Mapping[str, Path]) -> tuple[Checkpoint, Prior | None]:
    """The model of an exported file; the user's files that define parts of it are in the folders `own`.

    Raises:
        UserError: if the file is missing or damaged.
    """
    exported = export.load(weights)
    spec = exported.checkpoint.spec
    parts: dict[str, Any] = {
        part: str(folder / own_name(getattr(spec.variant, part)))
        for part, folder in own.items()
        if folder.is_dir()
    }
    spec = replace(spec, variant=replace(spec.variant, **parts))
    return replace(exported.checkpoint, spec=spec), exported.prior
