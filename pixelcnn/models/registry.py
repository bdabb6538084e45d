"""Finding an architecture by name, and building a model from a spec."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import nn

import pixelcnn.models
from pixelcnn.config.fields import from_plain, without_absent
from pixelcnn.config.run_spec import VariantSpec, likelihood_for
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.likelihoods.registry import find_likelihood, make_likelihood
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

    Those of its likelihood are checked, too.

    Raises:
        ConfigError: naming the key that is unknown or wrong.
    """
    architecture, described_by = find_architecture(variant.model)
    if variant.likelihood == "auto" and architecture.likelihood_name is not None:
        variant = dataclasses.replace(variant, likelihood=architecture.likelihood_name)
    return dataclasses.replace(
        variant,
        hyperparameters=_resolved(described_by, variant.hyperparameters, "hyperparameters", variant.model),
        likelihood_hyperparameters=_resolved_of_likelihood(variant),
    )


def _resolved_of_likelihood(variant: VariantSpec) -> dict[str, Any]:
    key, given = "likelihood_hyperparameters", variant.likelihood_hyperparameters
    if variant.likelihood == "auto":
        if given:
            raise ConfigError(f"{key}: needs a likelihood that is named, got likelihood: auto")
        return {}
    _, described_by = find_likelihood(variant.likelihood)
    if described_by is None:
        if given:
            raise ConfigError(f"{key}: {variant.likelihood} has none, got {', '.join(given)}")
        return {}
    return _resolved(described_by, given, key, variant.likelihood)


def _resolved(described_by: type[Any], given: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    """Hyper-parameters as plain data, checked."""
    from pixelcnn.config.validation import validated  # only here: who builds from a spec needs no pydantic

    try:
        values = validated(described_by, given, key)
        plain: dict[str, Any] = json.loads(json.dumps(without_absent(values), allow_nan=False))
    except (TypeError, ValueError, NameError, RuntimeError) as error:  # of a user's own dataclass
        raise ConfigError(f"{key}: {name} cannot read them: {error}") from error
    if from_plain(described_by, plain) != values:
        raise ConfigError(
            f"{key}: {name} has some that do not survive being written to a file; use "
            "numbers, text, true and false, tuples and lists of these, None beside one of these"
        )
    return plain


def build_model(
    variant: VariantSpec, image: ImageSpec, *, seed: int = 0
) -> tuple[AutoregressiveModel, Likelihood]:
    """The model of a resolved variant with weights drawn by `seed`, and its likelihood, a part of it.

    `image.classes` is what the dataset has; an unconditional variant ignores it.

    Raises:
        ConfigError: if the variant asks for what the dataset or the architecture cannot give.
    """
    make = maker(variant, image)
    with torch.random.fork_rng(devices=[]), errors_of(variant, "built"):
        check_fits(make, _bytes_of_memory())
        torch.manual_seed(seed)
        model = make()
    return model, model.likelihood


def maker(variant: VariantSpec, image: ImageSpec) -> Callable[[], AutoregressiveModel]:
    """What makes the model of `build_model`, with weights of torch's own generator, on its default device.

    Raises:
        ConfigError: if the variant asks for what the dataset cannot give.
    """
    if variant.conditional and image.classes is None:
        raise ConfigError("conditional: true needs a dataset with labels; this one has none")
    classes = image.classes if variant.conditional else None
    name = likelihood_for(variant.likelihood, image.levels, image.channels)
    architecture, described_by = find_architecture(variant.model)
    hyperparameters = from_plain(described_by, variant.hyperparameters, "hyperparameters")
    described = dataclasses.replace(image, classes=classes)

    def make() -> AutoregressiveModel:
        likelihood = make_likelihood(name, image.levels, image.channels, variant.likelihood_hyperparameters)
        return architecture(hyperparameters, described, likelihood)

    return make


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
def errors_of(variant: VariantSpec, done: str) -> Iterator[None]:
    """Memory that runs out in the block, and what a user's own file raises there, become one sentence.

    Raises:
        RunFailed: if memory runs out.
        ConfigError: saying that one of the variant's files cannot be `done`, and the line of the file.
    """
    try:
        with devices.out_of_memory("make the network smaller"):
            yield
    except UserError:
        raise
    except Exception as error:
        named = {"likelihood": variant.likelihood, "model": variant.model}
        own = {key: name for key, name in named.items() if name.endswith(".py")}
        if not own:
            raise
        # That in whose file it arose, or else the architecture, which calls all.
        key = next((key for key, name in own.items() if plugins.is_of(error, name)), list(own)[-1])
        words = plugins.said_by(error, own[key])
        raise ConfigError(f"{key}: {own[key]}: cannot be {done}: {words}") from error
