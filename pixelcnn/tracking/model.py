"""A trained run as an MLflow model, which `mlflow.pyfunc.load_model` loads with the code that it brings.

    model = mlflow.pyfunc.load_model("runs:/RUN_ID/model")
    nats = model.predict(images)
    nats = model.predict(photos, params={"pictures": True})
    digits = model.predict(None, params={"task": "sample", "n": 16, "seed": 0})
    threes = model.predict(None, params={"task": "sample", "n": 16, "labels": [3]})
    halves = model.predict(images, params={"task": "complete", "n": 4, "keep": "left"})

    POST /invocations {"inputs": [], "params": {"task": "sample", "n": 16}}     (of `mlflow models serve`)

The input are integers [N, C, H, W]: images in 0..levels-1, as the run was trained on, or, with `pictures`, of
brightness 0..255, in the size of the data's images before or after these were pooled. Pictures are cropped,
averaged and quantised as the training images were, and what is drawn is given as such, too. The tasks:

    nll            -log p(x) in nats per image, float64 [N]
    nll_by_pixel   the same by pixel, all its channels, given the earlier ones, float64 [N, H, W]
    sample         n new images (16 unless told otherwise), uint8 [n, C, H, W]
    complete       n completions (4) of each image, uint8 [N, n, C, H, W]; `keep` says which pixels stay, the
                   `upper` or the `left` half, or `mask` does: true or false for each, row by row, H·W in all

They are those of `pixelcnn.load` (trained/model.py), with the same numbers. A conditional model told
`labels`, one an image, gives the likelihood given the label, without them the label-marginalised one, which
compares with unconditional models; to complete, it needs them. Samples go through `labels`, or through all
classes, again and again. `seed` decides what is drawn, `temperature` divides the logits.

It runs on a GPU if there is one; `load_model(..., model_config={"device": "cpu"})` keeps it off.

MLflow copies this file into the model and runs it there ("models from code"), with the package's own code
beside it; the weights are a safetensors file, so that nothing is unpickled. Importing it imports no torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.models.signature import ModelSignature
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types import DataType, ParamSchema, ParamSpec
from numpy.typing import NDArray

WEIGHTS = (
    "weights"  # of the model's artifacts, which have the folders of `trained.own`, too, where that is so
)
TASKS = ("nll", "nll_by_pixel", "sample", "complete")
#: Drawn, unless told otherwise.
NEW, COMPLETIONS = 16, 4
#: What whoever loads the model may say otherwise, as its `model_config`.
CONFIG = {"device": "auto"}

#: What `params` may hold. The input is no part of it: to MLflow images would be of one integer type only.
SIGNATURE = ModelSignature(
    params=ParamSchema(
        [
            ParamSpec("task", DataType.string, "nll"),
            ParamSpec("pictures", DataType.boolean, False),
            ParamSpec("labels", DataType.long, [], shape=(-1,)),
            ParamSpec("n", DataType.long, None),
            ParamSpec("seed", DataType.long, 0),
            ParamSpec("temperature", DataType.double, 1.0),
            ParamSpec("keep", DataType.string, None),
            ParamSpec("mask", DataType.boolean, [], shape=(-1,)),
        ]
    )
)


# Recorded, which here means unsaid: MLflow warns past any filter that a hint is missing, and of every hint
# but those of tables, text and records.
with warnings.catch_warnings(record=True):

    class PixelCNN(PythonModel):
        """Scores, draws and completes images; see the module."""

        def load_context(self, context: PythonModelContext) -> None:
            """Rebuild the network from its weights."""
            from pixelcnn.trained.files import of_artifacts
            from pixelcnn.trained.model import build
            from pixelcnn.trained.own import OWN

            files = {name: Path(file) for name, file in context.artifacts.items()}
            own = {part: files[name] for part, name in OWN.items() if name in files}
            device = (CONFIG | (context.model_config or {}))["device"]
            self._trained = build(*of_artifacts(files[WEIGHTS], own), device)

        def predict(  # type: ignore[no-untyped-def]
            self,
            context: PythonModelContext,
            model_input,  # noqa: ANN001
            params: Mapping[str, Any] | None = None,
        ) -> NDArray[Any]:
            """What the task gives of the images in `model_input`; see the module.

            Raises:
                MlflowException: if images or parameters do not fit the model: servers send no other's words.
            """
            from pixelcnn.system.errors import UserError

            given = {name: spec.default for name, spec in _PARAMS.items()} | dict(params or {})
            try:
                return self._of_task(model_input, given)
            except UserError as error:
                raise MlflowException.invalid_parameter_value(str(error)) from error

        def _of_task(self, model_input: Any, given: Mapping[str, Any]) -> NDArray[Any]:
            from pixelcnn.system.errors import UserError

            trained, labels, task = self._trained, list(given["labels"]) or None, given["task"]
            if task not in TASKS:
                raise UserError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
            noise = {name: given[name] for name in ("seed", "temperature")}
            if task == "sample":
                drawn = trained.sample(NEW if given["n"] is None else given["n"], labels, **noise)
                return trained.pictures_of(drawn) if given["pictures"] else drawn
            images = trained.images_of(model_input) if given["pictures"] else np.asarray(model_input)
            if task == "nll":
                return trained.nats(images, labels)
            if task == "nll_by_pixel":
                return trained.nats_by_pixel(images, labels)
            n = COMPLETIONS if given["n"] is None else given["n"]
            keep = self._kept(given["keep"], given["mask"])
            drawn = trained.complete(images, keep, n, labels=labels, **noise)
            return trained.pictures_of(drawn) if given["pictures"] else drawn

        def _kept(self, keep: str | None, mask: list[bool]) -> str | NDArray[np.bool_]:
            """The name of a half, or which pixels stay: bool [H, W]."""
            from pixelcnn.system.errors import UserError

            image = self._trained.image
            if not mask:
                return keep or "upper"
            if keep is not None:
                raise UserError("mask: given with keep, of which one is needed")
            if len(mask) != image.height * image.width:
                wanted = f"true or false for each of {image.height}x{image.width} pixels, row by row"
                raise UserError(f"mask: expected {wanted}; got {len(mask)}")
            return np.array(mask, bool).reshape(image.height, image.width)


_PARAMS = {spec.name: spec for spec in SIGNATURE.params.params}
set_model(PixelCNN())
