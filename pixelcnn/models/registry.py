"""Finding an architecture by name, and building a model from a spec."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import nn

import pixelcnn.models
from pixelcnn.config.fields import from_plain, without_absent
from pixelcnn.config.run_spec import VariantSpec, likelihood_for
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.likelihoods.registry import make_likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.system import devices, plugins
from pixelcnn.system.errors import ConfigError, UserError


def names() -> list[str]:
    """The architectures of the package."""
    return plugins.names(pixelcnn.models)


def find_architecture(name: str) -> tuple[type[AutoregressiveModel], type[Any]]:
    """The architecture called `name`, or in the user's file `name`, and its hyper-parameters' dataclass.

    Raises:
        ConfigError: if it is unknown, or the file does not define exactly one architecture.
    """
    try:
        module = plugins.load(name, pixelcnn.models)
    except ConfigError as error:
        raise ConfigError(f"model: {error}") from None
    classes = _architectures_of(module)
    if len(classes) != 1:
        found = ", ".join(c.__name__ for c in classes) or "none"
        raise ConfigError(f"model: {name} must define one subclass of AutoregressiveModel, found {found}")
    hyperparameters = getattr(module, "Hyperparameters", None)
    if not (isinstance(hyperparameters, type) and dataclasses.is_dataclass(hyperparameters)):
        raise ConfigError(f"model: {name} must define a dataclass called Hyperparameters")
    return classes[0], hyperparameters


def _architectures_of(module: ModuleType) -> list[type[AutoregressiveModel]]:
    own = (v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__)
    return [c for c in own if issubclass(c, AutoregressiveModel)]


def resolve(variant: VariantSpec) -> VariantSpec:
    """The variant with every hyper-parameter of its architecture, checked, defaults written out.

    Raises:
        ConfigError: naming the key that is unknown or wrong.
    """
    from pixelcnn.config.validation import validated  # only here: who builds from a spec needs no pydantic

    _, described_by = find_architecture(variant.model)
    try:
        values = validated(described_by, variant.hyperparameters, "hyperparameters")
        plain = json.loads(json.dumps(without_absent(values), allow_nan=False))  # as a checkpoint has them
    except (TypeError, ValueError, NameError, RuntimeError) as error:  # of a user's own dataclass
        raise ConfigError(f"hyperparameters: {variant.model} cannot read them: {error}") from error
    if from_plain(described_by, plain) != values:
        raise ConfigError(
            f"hyperparameters: {variant.model} has some that do not survive being written to a file; use "
            "numbers, text, true and false, tuples and lists of these, None beside one of these"
        )
    return dataclasses.replace(variant, hyperparameters=plain)


def build_model(
    variant: VariantSpec, image: ImageSpec, *, seed: int = 0
) -> tuple[AutoregressiveModel, Likelihood]:
    """The model of a resolved variant with weights drawn by `seed`, and its likelihood.

    `image.classes` is what the dataset has; an unconditional variant ignores it.

    Raises:
        ConfigError: if the variant asks for what the dataset or the architecture cannot give.
    """
    if variant.conditional and image.classes is None:
        raise ConfigError("conditional: true needs a dataset with labels; this one has none")
    classes = image.classes if variant.conditional else None
    name = likelihood_for(variant.likelihood, image.levels)
    likelihood = make_likelihood(name, image.levels, image.channels)
    architecture, described_by = find_architecture(variant.model)
    hyperparameters = from_plain(described_by, variant.hyperparameters, "hyperparameters")
    described = ImageSpec(image.channels, image.height, image.width, image.levels, classes)
    make = partial(architecture, hyperparameters, described, likelihood.parameters)
    with torch.random.fork_rng(devices=[]), errors_of(variant.model, "built"):
        check_fits(make, _bytes_of_memory())
        torch.manual_seed(seed)
        model = make()
    return model, likelihood


def check_fits(make: Callable[[], nn.Module], memory: int) -> None:
    """Refuse a network whose weights alone are more than this machine's memory, before they are drawn.

    Raises:
        ConfigError: saying how many there are.
    """
    try:
        with torch.device("meta"):  # shapes without numbers
            sketch = make()
    except UserError:
        raise
    except Exception:  # a layer that looks at its weights: what is wrong, if anything, the real one says
        return
    weights = list(sketch.parameters())
    if sum(weight.nbytes for weight in weights) > memory:
        raise ConfigError(
            f"model: this network has {sum(w.numel() for w in weights):,} parameters, more than fit into the "
            f"{memory / 1e9:,.0f} GB of memory here; make it smaller"
        )


def _bytes_of_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def errors_of(name: str, done: str) -> Iterator[None]:
    """Memory that runs out in the block, and what a user's own file raises there, become one sentence.

    Raises:
        RunFailed: if memory runs out.
        ConfigError: saying that the architecture called `name` cannot be `done`, and the line of the file.
    """
    try:
        with devices.out_of_memory("make the network smaller"):
            yield
    except UserError:
        raise
    except Exception as error:
        if not name.endswith(".py"):
            raise
        raise ConfigError(f"model: {name}: cannot be {done}: {plugins.said_by(error, name)}") from error
