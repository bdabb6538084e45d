"""The only place where nats become bits/dim and perplexity."""

from __future__ import annotations

import math

from pixelcnn.system.errors import RunFailed

#: A uniform guess has that of the grey levels. What is above this says nothing, and its square is no number.
LARGEST_PERPLEXITY = 1e100


def bits_per_dim(nll: float, dims: int) -> float:
    """NLL in nats per image -> bits per dimension."""
    return nll / (dims * math.log(2))


def perplexity(nll: float, dims: int) -> float:
    """NLL in nats per image -> perplexity per dimension, 2^(bits/dim).

    Raises:
        RunFailed: if it is above `LARGEST_PERPLEXITY`, as after a training that diverged.
    """
    if nll / dims > math.log(LARGEST_PERPLEXITY):
        raise RunFailed(
            f"the NLL is {nll:.4g} nats per image, a perplexity above {LARGEST_PERPLEXITY:g}; the training "
            "diverged, a lower learning_rate or longer warm-up may help"
        )
    return math.exp(nll / dims)
