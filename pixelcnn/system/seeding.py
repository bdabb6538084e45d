"""One named random generator per purpose, all derived from a run's seed."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose, such as initialisation or data order."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def pixel_noise(seed: int, first: int, count: int, shape: tuple[int, int, int]) -> Tensor:
    """Uniform noise float64 [count, C, H, W] in [0, 1) for the images first, first+1, ...

    Keyed by (seed, image, pixel): an image gets the same noise in whatever batch it is drawn.
    """
    key = derived_seed(seed, "sampling")
    rows = [
        np.random.Generator(np.random.Philox(key=[key, i])).random(shape) for i in range(first, first + count)
    ]
    return torch.from_numpy(np.stack(rows))
