"""Finding the likelihood that a config names, in the package or in a user's own file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pixelcnn.likelihoods
from pixelcnn.config.fields import from_plain
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.system import plugins
from pixelcnn.system.errors import ConfigError


def names() -> list[str]:
    """The likelihoods of the package."""
    return plugins.names(pixelcnn.likelihoods)


def find_likelihood(name: str) -> tuple[type[Likelihood], type[Any] | None]:
    """The likelihood called `name`, or in the user's file `name`, and its hyper-parameters' dataclass.

    Raises:
        ConfigError: if it is unknown, or a file does not define exactly one likelihood.
    """
    if not name.endswith(".py") and name not in names():
        known = ", ".join(["auto", *names()])
        raise ConfigError(f"likelihood: expected one of {known}, or the path of a .py file; got {name!r}")
    try:
        module = plugins.load(name, pixelcnn.likelihoods)
    except ConfigError as error:
        raise ConfigError(f"likelihood: {error}") from None
    own = (v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__)
    classes = [c for c in own if issubclass(c, Likelihood)]
    if len(classes) != 1:
        found = ", ".join(c.__name__ for c in classes) or "none"
        raise ConfigError(f"likelihood: {name} must define one subclass of Likelihood, found {found}")
    described_by = getattr(module, "Hyperparameters", None)
    return classes[0], described_by if dataclasses.is_dataclass(described_by) else None  # type: ignore[return-value]


def make_likelihood(
    name: str, levels: int, channels: int = 1, hyperparameters: Mapping[str, Any] | None = None
) -> Likelihood:
    """The likelihood called `name`; hyper-parameters that are left out are at their defaults.

    Raises:
        ConfigError: if it cannot describe images with these levels and channels.
    """
    kind, described_by = find_likelihood(name)
    given = hyperparameters or {}
    if described_by is None and given:
        raise ConfigError(f"likelihood_hyperparameters: {name} has none, got {', '.join(given)}")
    values = None if described_by is None else from_plain(described_by, given, "likelihood_hyperparameters")
    make: Callable[..., Likelihood] = kind
    return make(levels, channels, values)
