"""The mixture of the networks of several seeds, as a model of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from pixelcnn.system.errors import UserError


def mixture_of_seeds(nats: NDArray[np.float64]) -> NDArray[np.float64]:
    """-log of the mean over seeds of p(x), from -log p(x) of each: [seeds, images] to [images], in nats.

    An exact negative log-likelihood: that of a model which draws one of the networks and from it an image.
    By Jensen's inequality never above the mean of the networks' own, and at most log(seeds) below the
    best of them. It compares with other mixtures of as many, not with single networks.

    Raises:
        UserError: if there is no seed, or a value is not a number.
    """
    nats = np.asarray(nats, np.float64)
    if nats.ndim != 2 or not len(nats):
        raise UserError(f"a mixture of seeds takes nats of shape [seeds, images], not {list(nats.shape)}")
    if np.isnan(nats).any():
        raise UserError("a mixture of seeds takes nats of every image, but some are not numbers")
    return np.asarray(np.log(len(nats)) - logsumexp(-nats, axis=0), np.float64)
