"""Finding the likelihood that a config names."""

from __future__ import annotations

from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.likelihoods.bernoulli import Bernoulli
from pixelcnn.likelihoods.categorical import Categorical
from pixelcnn.system.errors import ConfigError


def make_likelihood(name: str, levels: int, channels: int = 1) -> Likelihood:
    """The likelihood called `name`.

    Raises:
        ConfigError: if it cannot describe images with these levels and channels.
    """
    if channels != 1:
        raise ConfigError(f"likelihood: {name} describes images of 1 channel, the dataset has {channels}")
    if name == "bernoulli":
        if levels != 2:
            raise ConfigError(f"likelihood: bernoulli needs levels: 2, the dataset has levels: {levels}")
        return Bernoulli()
    if name == "categorical":
        return Categorical(levels)
    raise ConfigError(f"likelihood: expected one of auto, bernoulli, categorical; got {name!r}")
