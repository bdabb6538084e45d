"""Where a trained model lies: a checkpoint, an exported file, a run's folder, a folder of MLflow's."""

from __future__ import annotations

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

EXPECTED = "expected a checkpoint.pt, a model.safetensors, the folder of a run, or one of an MLflow model"
#: What MLflow's own description of a model is called.
DESCRIPTION = "MLmodel"
#: Folders of its artifacts with the user's files that define these parts of a variant, where that is so.
OWN = {"model": "own", "likelihood": "own_likelihood"}

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
    """As MLflow itself loads it, see `tracking.model`: a network of one's own lies beside its weights."""
    artifacts = path / "artifacts"
    found = sorted(artifacts.glob("*.safetensors"))
    if len(found) != 1:
        raise UserError(f"{path}: an MLflow model, but not of pixelcnn: no weights in {artifacts}")
    exported = export.load(found[0])
    trained = exported.checkpoint
    variant = trained.spec.variant
    own: dict[str, Any] = {}
    for part, name in OWN.items():
        if files := sorted((artifacts / name).glob("*.py")):
            named = artifacts / name / Path(getattr(variant, part)).name
            own[part] = str(named if named in files else files[0])
    return replace(trained, spec=replace(trained.spec, variant=replace(variant, **own))), exported.prior
