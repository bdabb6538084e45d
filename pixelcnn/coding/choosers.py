"""What stands in the place of a likelihood while images are coded: known levels in, or decoded levels out.

A sampler turns the parameters of a pixel and a number for each of its channels into levels, pixel by pixel.
The number is a known level here, or nothing at all; so both directions take the very steps of a sampler.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelcnn.coding.entropy import family
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.system.errors import RunFailed

#: Probabilities of some channels in a table [n, levels], and the levels [n] that were there.
Table = NDArray[np.float32]
Levels = NDArray[np.int32]


class Chooser(Likelihood):
    """Chooses the levels of some pixels, channel after channel, from their probabilities."""

    def __init__(self, likelihood: Likelihood) -> None:
        super().__init__(likelihood.levels, likelihood.channels, likelihood.parameters_per_pixel)
        self.likelihood = likelihood

    def sample(self, params: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Levels [N, C, H, W]; `noise` are known levels of this shape, or anything where they are decoded.

        Raises:
            RunFailed: if a probability is NaN or infinite.
        """
        chosen = torch.zeros(noise.shape, dtype=torch.long)
        for channel in range(self.channels):
            # Without the levels that are known ahead: `cdf` is given what a decoder has by now.
            table = probabilities(self.likelihood.cdf(params, chosen, channel))
            known = noise[:, channel].reshape(-1).numpy().astype(np.int32)
            levels = torch.from_numpy(self.choose(table, known)).long()
            chosen[:, channel] = levels.view(noise[:, channel].shape)
        return chosen

    def choose(self, table: Table, known: Levels) -> Levels:
        """One level for each row of a table."""
        raise NotImplementedError(f"{type(self).__name__} must define choose()")


class Noting(Chooser):
    """Takes the known levels, and notes them with their probabilities."""

    def __init__(self, likelihood: Likelihood) -> None:
        super().__init__(likelihood)
        self.noted: list[tuple[Table, Levels]] = []

    def choose(self, table: Table, known: Levels) -> Levels:
        self.noted.append((table, known))
        return known

    def encode(self, coder: Any) -> None:
        """Push what was noted, the last first: an ANS coder is a stack."""
        for table, known in reversed(self.noted):
            coder.encode_reverse(known, family(), table)
        self.noted.clear()


class Reading(Chooser):
    """Takes the levels that a coder gives."""

    def __init__(self, likelihood: Likelihood, coder: Any) -> None:
        super().__init__(likelihood)
        self._coder = coder

    def choose(self, table: Table, known: Levels) -> Levels:
        levels: Levels = self._coder.decode(family(), table)
        return levels


def probabilities(cdf: Tensor) -> Table:
    """A table [N · H · W, levels] from cumulative probabilities [N, levels, H, W].

    Raises:
        RunFailed: if one is NaN or infinite.
    """
    rows = cdf.permute(0, 2, 3, 1).reshape(-1, cdf.shape[1])
    table: Table = rows.diff(dim=1, prepend=rows.new_zeros(len(rows), 1)).clamp(min=0).float().numpy()
    if not np.isfinite(table).all():
        raise RunFailed("a probability of the model is NaN or infinite, which no coder can use")
    return np.ascontiguousarray(table)
