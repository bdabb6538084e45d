"""The only place where nats become bits/dim and perplexity."""

from __future__ import annotations

import math

from pixelcnn.system.errors import RunFailed


def bits_per_dim(nll: float, dims: int) -> float:
    """NLL in nats per image -> bits per dimension."""
    return nll / (dims * math.log(2))


def perplexity(nll: float, dims: int) -> float:
    """NLL in nats per image -> perplexity per dimension, 2^(bits/dim).

    Raises:
        RunFailed: if it is beyond the largest number, as after a training that diverged.
    """
    try:
        return math.exp(nll / dims)
    except OverflowError:
        raise RunFailed(
            f"the NLL is {nll:.4g} nats per image, whose perplexity is beyond the largest number; the "
            "training diverged, a lower learning_rate or longer warm-up may help"
        ) from None
