"""The model that MLflow holds of a run gives the run's own numbers and samples, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small import prepared, small

import pixelcnn
from benchmarks.made_up import benchmark, write_run
from pixelcnn.evaluation import export
from pixelcnn.evaluation.likelihoods import class_prior
from pixelcnn.evaluation.run import evaluate_run
from pixelcnn.invariants.leaks import randomise
from pixelcnn.models.registry import build_model
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.sampling.api import sample
from pixelcnn.system.errors import UserError
from pixelcnn.tracking import projection
from pixelcnn.tracking.store import default_store
from pixelcnn.tracking.view import MODEL
from pixelcnn.training.loop import image_spec

pytest.importorskip("mlflow")
DATA = prepared()
SMALL = small(channels=4, blocks=1, first_kernel_size=3, head_channels=4).hyperparameters
#: A network of one's own, with a module beside it.
OWN = """
from helpers.table import table
from dataclasses import dataclass
from pixelcnn.models.base import AutoregressiveModel

@dataclass(frozen=True)
class Hyperparameters:
    scale: float = 1.0

class Own(AutoregressiveModel):
    def build(self, hyperparameters):
        return table(self, hyperparameters.scale)
"""
TABLE = """
from pixelcnn.layers.pointwise import PixelTable
def table(model, scale):
    image = model.image
    return PixelTable(image.classes, model.parameters_per_pixel, image.height, image.width, scale)
"""
#: A likelihood of one's own: categorical, but for weights of its own.
OWN_LIKELIHOOD = """
import torch
from pixelcnn.likelihoods.base import Likelihood
class Own(Likelihood):
    def __init__(self, levels, channels, hyperparameters):
        super().__init__(levels, channels, levels)
        self.bias = torch.nn.Parameter(torch.zeros(levels))
    def log_prob(self, params, x):
        logits = params + self.bias[:, None, None]
        return torch.log_softmax(logits, dim=1).gather(1, x.long())[:, 0]
"""
VARIANTS = {
    "plain": {"model": "pixelcnn", "hyperparameters": SMALL},
    "conditional": {"model": "pixelcnn", "conditional": True, "hyperparameters": SMALL},
}

#: Pictures that are cropped and averaged, from a folder that is not where the model is loaded.
CUT = {
    "source": "folder", "path": "gone", "channels": 1, "crop": "center", "resize": "area", "image_size": 6,
    "levels": 2,
}  # fmt: skip
PICTURES = np.random.default_rng(0).integers(0, 256, (8, 1, 12, 16), dtype=np.uint8)
MASK = np.random.default_rng(1).random((6, 6)) < 0.5

#: Run where the model is loaded: calls of `predict` by name, their results into an .npz file.
LOADER = """
import json, sys
import mlflow
import numpy as np
calls, given, out = json.loads(sys.argv[1]), np.load(sys.argv[2]), sys.argv[3]
assert "torch" not in sys.modules
results = {}
for name, (uri, what, params) in calls.items():
    model = mlflow.pyfunc.load_model(uri, model_config={"device": "cpu"})
    results[name] = model.predict(None if what is None else given[what], params=params)
np.savez(out, **results)
loaded = [module.__file__ for name, module in sys.modules.items() if name.startswith("pixelcnn.")]
assert loaded
print([path for path in loaded if "/code/pixelcnn/" not in path])
"""


def trained(spec) -> checkpoint.Checkpoint:
    image = image_spec(DATA)
    model, _ = build_model(spec.variant, image, seed=spec.seed)
    weights = randomise(model).state_dict()
    # Memory formats other than the usual one occur, too: trainings are in channels_last.
    weights = {
        k: v.float().to(memory_format=torch.channels_last) if v.ndim == 4 else v.float()
        for k, v in weights.items()
    }
    return checkpoint.Checkpoint(spec, image, DATA.sha256, 1, weights, weights)


def test_an_export_gives_back_the_checkpoint_and_the_same_bytes(tmp_path):
    spec = benchmark(tmp_path, variants=VARIANTS).runs()[-1]
    whole = trained(spec)
    export.save(whole, DATA, RunFolder(tmp_path).model)
    again = export.load(RunFolder(tmp_path).model)
    assert again.checkpoint.spec == spec and again.checkpoint.image == whole.image
    assert all(torch.equal(whole.ema_weights[k], v) for k, v in again.checkpoint.ema_weights.items())
    assert again.prior == pytest.approx(class_prior(DATA.splits["train"], 2))
    before = RunFolder(tmp_path).model.read_bytes()
    export.save(whole, DATA, RunFolder(tmp_path).model)
    assert RunFolder(tmp_path).model.read_bytes() == before
    RunFolder(tmp_path).model.write_bytes(before[:-5])
    with pytest.raises(UserError, match="damaged"):
        export.load(RunFolder(tmp_path).model)
    with pytest.raises(UserError, match="pixelcnn evaluate"):
        export.load(tmp_path / "nowhere")


def test_the_model_of_a_run_loads_elsewhere_and_agrees(tmp_path, empty_database):
    (tmp_path / "mlflow").mkdir()
    shutil.copy(empty_database, tmp_path / "mlflow" / "mlflow.db")
    (mine := tmp_path / "mine" / "net%20of:mine.py").parent.joinpath("helpers").mkdir(parents=True)
    mine.write_text(OWN, encoding="utf-8")
    (mine.parent / "helpers" / "table.py").write_text(TABLE, encoding="utf-8")
    (likelihood := tmp_path / "mine" / "likelihood.py").write_text(OWN_LIKELIHOOD, encoding="utf-8")
    own = {"model": str(mine), "hyperparameters": {"scale": 2.0}, "likelihood": str(likelihood)}
    made = benchmark(tmp_path, variants={**VARIANTS, "own": own}, seeds=[0], datasets={"cut": CUT})
    folders: dict[str, Path] = {}
    for spec in made.runs():
        versions = {"torch": "2.11.0+cpu", "numpy": "2.3.4"}
        folder = folders[spec.variant_name] = write_run(made, spec, record_values={"versions": versions})
        whole = trained(spec)
        checkpoint.save(whole, RunFolder(folder).checkpoint)
        evaluate_run(whole, DATA, torch.device("cpu"), folder)
        export.save(whole, DATA, RunFolder(folder).model)
    code = (
        "import sys, pathlib; from pixelcnn.tracking import projection; "
        "print(projection.project(pathlib.Path(sys.argv[1]))); assert 'torch' not in sys.modules"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, folder_of(made).path], check=True, capture_output=True, text=True
    )
    assert "3 created" in said.stdout and "Warning" not in said.stderr
    assert len(projection.project(folder_of(made).path).unchanged) == 3
    shutil.rmtree(mine.parent)

    ids = {run.data.tags["variant"]: run.info.run_id for run in _runs(made)}
    kept = tmp_path / "mlflow" / "artifacts" / made.benchmark / ids["plain"] / "artifacts" / "model"
    required = (kept / "requirements.txt").read_text(encoding="utf-8").split()
    assert {"torch==2.11.0", "numpy==2.3.4"} < set(required) and all("==" in line for line in required)
    assert not any(line.startswith("pixelcnn") for line in required) and not list(kept.rglob("__pycache__"))
    plain, conditional, own = (f"runs:/{ids[name]}/model" for name in ("plain", "conditional", "own"))
    draw = {"task": "sample", "n": 5, "seed": 3}
    images, labels = DATA.splits["test"].images[:8], DATA.splits["test"].labels[:8].tolist()
    completed = {
        "task": "complete",
        "pictures": True,
        "n": 2,
        "mask": MASK.ravel().tolist(),
        "labels": labels,
    }
    calls = {
        "nll": (plain, "images", None),
        "own": (own, "images", None),
        "marginal": (conditional, "images", {"task": "nll"}),
        "given": (conditional, "images", {"labels": labels}),
        "drawn": (plain, None, draw),
        "ones": (conditional, None, {**draw, "labels": [1], "pictures": True}),
        "by_pixel": (plain, "pictures", {"task": "nll_by_pixel", "pictures": True}),
        "left": (plain, "images", {"task": "complete", "keep": "left"}),
        "completed": (conditional, "pictures", completed),
    }
    arrays, out = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(arrays, images=images, pictures=PICTURES)
    said = subprocess.run(
        [sys.executable, "-c", LOADER, json.dumps(calls), arrays, out],
        capture_output=True,
        text=True,
        env=_environment(default_store(tmp_path).uri),
        cwd=tmp_path,
    )
    assert said.returncode == 0 and "Warning" not in said.stderr, said.stderr
    assert said.stdout == "[]\n", "the model's own code, all of it, and no other"

    found = np.load(out)
    nats = {name: np.load(RunFolder(folder).nats) for name, folder in folders.items()}
    assert found["nll"] == pytest.approx(nats["plain"]["per_image"][:8], abs=1e-3)
    assert found["own"] == pytest.approx(nats["own"]["per_image"][:8], abs=1e-3)
    assert found["given"] == pytest.approx(nats["conditional"]["per_image"][:8], abs=1e-3)
    assert found["marginal"] == pytest.approx(nats["conditional"]["marginal_per_image"][:8], abs=1e-3)
    for name, variant, y in (("drawn", "plain", None), ("ones", "conditional", torch.ones(5).long())):
        model, likelihood = checkpoint.load(RunFolder(folders[variant]).checkpoint).model()
        drawn = sample(model, likelihood, 5, seed=3, y=y).numpy()
        assert np.array_equal(found[name], drawn * 255 if name == "ones" else drawn)
    cut = PICTURES[:, :, :, 2:14].reshape(8, 1, 6, 2, 6, 2).mean(axis=(3, 5)).round().astype(int) // 128
    models = {name: pixelcnn.load(RunFolder(folders[name]).path) for name in ("plain", "conditional")}
    assert found["by_pixel"] == pytest.approx(models["plain"].nats_by_pixel(cut), abs=1e-5)
    assert np.array_equal(found["left"], models["plain"].complete(images, "left", 4))
    expected = models["conditional"].complete(cut, MASK, 2, labels=labels)
    assert np.array_equal(found["completed"], expected * 255)


def test_an_exported_model_weighs_classes_by_their_share_of_the_training_images(tmp_path):
    from mlflow.pyfunc import PythonModelContext

    from pixelcnn.tracking.model import WEIGHTS, PixelCNN

    labels = (np.arange(100) % 5 == 0).astype(np.int64)
    skewed = replace(DATA, splits={**DATA.splits, "train": replace(DATA.splits["train"], labels=labels)})
    export.save(trained(benchmark(tmp_path, variants=VARIANTS).runs()[-1]), skewed, tmp_path / MODEL)
    model, context = PixelCNN(), PythonModelContext({WEIGHTS: str(tmp_path / MODEL)}, {})
    model.load_context(context)
    images = DATA.splits["test"].images[:6]
    zero, one = (model.predict(context, images, {"labels": [label] * 6}) for label in (0, 1))
    expected = -np.log(0.8 * np.exp(-zero) + 0.2 * np.exp(-one))
    assert model.predict(context, images) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("images", "params", "message"),
    [
        (np.zeros((2, 1, 5, 6), int), {}, r"images: expected shape \[N, 1, 6, 6\]"),
        (np.full((2, 1, 6, 6), 2), {}, r"images: expected integers 0\.\.1"),
        (np.zeros((2, 1, 6, 6)), {}, "images: expected integers"),
        (np.zeros((2, 1, 6, 6), int), {"labels": [0]}, "labels: expected 2"),
        (
            np.zeros((2, 1, 6, 6), int),
            {"labels": [0, 7]},
            r"labels: expected whole numbers 0\.\.1, got \[0, 7\]",
        ),
        (
            np.zeros((2, 6, 6), int),
            {"pictures": True},
            r"pictures: expected shape \[N, 1, height, width\], got",
        ),
        (
            np.full((2, 1, 6, 6), 256),
            {"pictures": True},
            r"pictures: expected integers 0\.\.255, got 256\.\.256",
        ),
        (np.zeros((2, 1, 6, 6)), {"pictures": True}, r"pictures: expected integers 0\.\.255, got float64"),
        (np.zeros((2, 1, 7, 6), int), {"pictures": True}, r"pictures: 7x6 \(height x width\), expected 6x6"),
        (np.zeros((2, 1, 6, 6), int), {"task": "complete"}, "needs the label to complete"),
        (
            np.zeros((2, 1, 6, 6), int),
            {"task": "complete", "mask": [True]},
            "for each of 6x6 pixels, .* got 1",
        ),
        (None, {"task": "complete", "keep": "left", "mask": [True] * 36}, "mask: given with keep"),
        (
            None,
            {"task": "sample", "labels": [1], "temperature": 1e-310},
            "temperature must lie between 1e-06",
        ),
        (None, {"task": "sample", "labels": [1], "temperature": float("inf")}, r"and 1e\+06, got inf"),
        (None, {"task": "paint"}, "task: expected one of nll, .*, complete, got"),
        (None, {"task": "sample", "labels": [5]}, r"labels: expected whole numbers 0\.\.1"),
    ],
)
def test_what_does_not_fit_is_told_plainly(tmp_path, images, params, message):
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import PythonModelContext

    from pixelcnn.tracking.model import WEIGHTS, PixelCNN

    export.save(trained(benchmark(tmp_path, variants=VARIANTS).runs()[-1]), DATA, RunFolder(tmp_path).model)
    model, context = PixelCNN(), PythonModelContext({WEIGHTS: str(RunFolder(tmp_path).model)}, {})
    model.load_context(context)
    with pytest.raises(MlflowException, match=message):
        model.predict(context, images, params)


def _runs(made):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=default_store(Path(made.results)).uri)
    return client.search_runs([client.get_experiment_by_name(made.benchmark).experiment_id])


def _environment(uri: str) -> dict[str, str]:
    return {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
