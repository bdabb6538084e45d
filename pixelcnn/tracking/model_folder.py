"""A run's model as a folder of MLflow's: the weights, the code that runs them, and what that requires.

The package is in no index, so the model brings what it needs of it; where another version is installed, the
model's own is used. A network in a user's own file comes along, too, with the modules beside it.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
import warnings
from pathlib import Path

from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.records import Record
from pixelcnn.system.code_digest import PACKAGE, own_files
from pixelcnn.trained.own import OWN, own_name

MODEL_CODE = Path(__file__).with_name("model.py")
#: The packages that rebuild a network and use it; training for the digest of its code.
PARTS = (
    "config", "data", "evaluation", "images", "incremental", "layers", "likelihoods", "models", "results",
    "sampling", "system", "trained", "training",
)  # fmt: skip
#: What these import of others. Those in a training's record come in the versions that it was trained with.
REQUIRED = ("mlflow", "numpy", "pillow", "safetensors", "torch")


def own_code(spec: RunSpec) -> dict[str, list[Path]]:
    """The user's files that a "model" or "likelihood" is defined in, each with those that it imports.

    None of one that is no such file, or if they are not here as they were when it was trained: the model
    then loads where they are at the same path.
    """
    names = {"model": spec.variant.model, "likelihood": spec.variant.likelihood}
    found = {part: own_files(name) for part, name in names.items()}
    return {
        part: [Path(path) for path in files]
        for part, files in found.items()
        if files and files == spec.own_files.get(part)
    }


def save_model(weights: Path, spec: RunSpec, record: Record, folder: Path) -> None:
    """Write an MLflow model from a run's exported weights; the network is not built, torch not imported."""
    import mlflow.pyfunc

    from pixelcnn.tracking.model import CONFIG, SIGNATURE, WEIGHTS

    with tempfile.TemporaryDirectory(prefix="pixelcnn-") as temporary:
        package = Path(temporary) / PACKAGE.name
        _copy_package(package)
        # As URIs: MLflow would take a percent sign or a colon in a path for one's.
        artifacts = {WEIGHTS: weights.resolve().as_uri()}
        for part, own in own_code(spec).items():
            to = Path(temporary) / OWN[part]
            _copy_own(own, to, own_name(str(own[0])))
            artifacts[OWN[part]] = to.as_uri()
        with warnings.catch_warnings(record=True) as said:
            mlflow.pyfunc.save_model(
                folder,
                python_model=str(MODEL_CODE),
                code_paths=[str(package)],
                artifacts=artifacts,
                signature=SIGNATURE,
                model_config=dict(CONFIG),
                pip_requirements=_requirements(record),
            )
    for warning in said:
        # It warns past any filter that an example is missing, from which it would infer what it is told here.
        if "input example" not in str(warning.message):
            warnings.warn(warning.message, stacklevel=2)


def _copy_package(to: Path) -> None:
    to.mkdir()
    shutil.copy(PACKAGE / "__init__.py", to)
    for part in PARTS:
        shutil.copytree(PACKAGE / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))


def _copy_own(files: list[Path], to: Path, name: str) -> None:
    """The files lie to each other as they did; the first one gets a name."""
    beside = files[0].resolve().parent
    for path in files:
        target = to / (name if path == files[0] else path.resolve().relative_to(beside))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def _requirements(record: Record) -> list[str]:
    versions = {name: record.versions.get(name) or importlib.metadata.version(name) for name in REQUIRED}
    # A local version, as of a build for the CPU, is in no index.
    return [f"{name}=={version.partition('+')[0]}" for name, version in versions.items()]
