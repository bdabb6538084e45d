"""A trained run as an MLflow model, which `mlflow.pyfunc.load_model` loads with the code that it brings.

    model = mlflow.pyfunc.load_model("runs:/RUN_ID/model")
    nats = model.predict(images)
    digits = model.predict(None, params={"task": "sample", "n": 16, "seed": 0})
    threes = model.predict(None, params={"task": "sample", "n": 16, "labels": [3]})

    POST /invocations {"inputs": [], "params": {"task": "sample", "n": 16}}     (of `mlflow models serve`)

`images` are integers [N, C, H, W] in 0..levels-1, as the run was trained on. The NLL comes as float64 [N], in
nats per image. A conditional model told `labels` gives that given the label, without them the
label-marginalised one, which compares with unconditional models. Samples come as uint8 [n, C, H, W], the
same for the same seed; a conditional model goes through `labels`, or through all classes, again and again.

MLflow copies this file into the model and runs it there ("models from code"), with the package's own code
beside it; the weights are a safetensors file, so that nothing is unpickled. Importing it imports no torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.models.signature import ModelSignature
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types import DataType, ParamSchema, ParamSpec
from numpy.typing import NDArray

WEIGHTS = "weights"  # of the model's artifacts
#: Others: folders with the user's files that define these parts of a variant, where that is so.
OWN = {"model": "own", "likelihood": "own_likelihood"}
TASKS = ("nll", "sample")

#: What `params` may hold. The input is no part of it: to MLflow images would be of one integer type only.
SIGNATURE = ModelSignature(
    params=ParamSchema(
        [
            ParamSpec("task", DataType.string, "nll"),
            ParamSpec("labels", DataType.long, [], shape=(-1,)),
            ParamSpec("n", DataType.long, 16),
            ParamSpec("seed", DataType.long, 0),
            ParamSpec("temperature", DataType.double, 1.0),
        ]
    )
)


def own_name(file: str) -> str:
    """What the user's file is called in the model: MLflow stumbles over names that no module can have."""
    path = Path(file)
    return path.name if path.stem.isidentifier() and path.stem.isascii() else "own_code.py"


# Recorded, which here means unsaid: MLflow warns past any filter that a hint is missing, and of every hint
# but those of tables, text and records.
with warnings.catch_warnings(record=True):

    class PixelCNN(PythonModel):
        """Scores images and draws them; see the module."""

        def load_context(self, context: PythonModelContext) -> None:
            """Rebuild the network from its weights, on the CPU."""
            from pixelcnn.evaluation import export

            exported = export.load(Path(context.artifacts[WEIGHTS]))
            checkpoint = exported.checkpoint
            variant, parts = checkpoint.spec.variant, dict[str, Any]()
            for part, artifact in OWN.items():
                if artifact in context.artifacts:
                    file = Path(context.artifacts[artifact]) / own_name(getattr(variant, part))
                    parts[part] = str(file)
            checkpoint = replace(checkpoint, spec=replace(checkpoint.spec, variant=replace(variant, **parts)))
            self._network, self._likelihood = checkpoint.model()
            self._prior = exported.prior

        def predict(  # type: ignore[no-untyped-def]
            self,
            context: PythonModelContext,
            model_input,  # noqa: ANN001
            params: Mapping[str, Any] | None = None,
        ) -> NDArray[Any]:
            """NLL of the images in `model_input`, or new images; see the module.

            Raises:
                UserError: if images or parameters do not fit the model.
            """
            from pixelcnn.system.errors import UserError

            given = {name: spec.default for name, spec in _PARAMS.items()} | dict(params or {})
            labels = list(given["labels"])
            if labels and self._network.image.classes is None:
                raise UserError("labels: given to an unconditional model")
            if given["task"] == "nll":
                return self._nll(model_input, labels)
            if given["task"] == "sample":
                return self._sample(labels, int(given["n"]), int(given["seed"]), float(given["temperature"]))
            raise UserError(f"task: expected one of {', '.join(TASKS)}, got {given['task']!r}")

        def _nll(self, images: Any, labels: Sequence[int]) -> NDArray[np.float64]:
            from pixelcnn.data.contract import Split
            from pixelcnn.evaluation.likelihoods import evaluate
            from pixelcnn.system.errors import UserError

            spec = self._network.image
            wanted = (spec.channels, spec.height, spec.width)
            array = np.asarray(images)
            if array.ndim != 4 or array.shape[1:] != wanted or not len(array):
                raise UserError(f"images: expected shape [N, {str(wanted)[1:-1]}], got {list(array.shape)}")
            if not np.issubdtype(array.dtype, np.integer) or array.min() < 0 or array.max() >= spec.levels:
                raise UserError(f"images: expected integers 0..{spec.levels - 1}")
            if labels and len(labels) != len(array):
                raise UserError(f"labels: expected {len(array)}, one an image, got {len(labels)}")
            if labels and not all(0 <= label < (spec.classes or 0) for label in labels):
                raise UserError(f"labels: expected 0..{(spec.classes or 0) - 1}, got {list(labels)}")
            told = np.array(labels, np.int64) if labels else np.zeros(len(array), np.int64)
            marginal = self._prior is not None and not labels
            result = evaluate(
                self._network, self._likelihood, Split(array.astype(np.uint8), told), all_classes=marginal
            )
            return result.marginal(self._prior) if self._prior is not None and marginal else result.per_image

        def _sample(self, labels: Sequence[int], n: int, seed: int, temperature: float) -> NDArray[np.uint8]:
            from pixelcnn.images.pictures import labels_for
            from pixelcnn.sampling.api import sample

            y = labels_for(n, self._network.image.classes, labels or None)
            drawn = sample(self._network, self._likelihood, n, seed=seed, y=y, temperature=temperature)
            return drawn.numpy()


_PARAMS = {spec.name: spec for spec in SIGNATURE.params.params}
set_model(PixelCNN())
