"""The only place where nats become bits/dim and perplexity."""

from __future__ import annotations

import math


def bits_per_dim(nll: float, dims: int) -> float:
    """NLL in nats per image -> bits per dimension."""
    return nll / (dims * math.log(2))


def perplexity(nll: float, dims: int) -> float:
    """NLL in nats per image -> perplexity per dimension, 2^(bits/dim)."""
    return math.exp(nll / dims)
