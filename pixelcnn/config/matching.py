"""The width that `match_parameters` found for a variant on a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Match:
    """A network as large as was asked for, or nearly so.

    Attributes:
        width: the hyper-parameter that was scaled, such as "channels".
        value: what it is.
        parameters: how many the network has then, with its likelihood's.
        hyperparameters: all of the resolved variant, as if the width had been given by hand.
        likelihood_hyperparameters: those of its likelihood, resolved, too.
    """

    width: str
    value: int
    parameters: int
    hyperparameters: dict[str, Any]
    likelihood_hyperparameters: dict[str, Any]

    def words(self, asked: int) -> str:
        """Such as "channels 20: 31,877 of 32,000 parameters asked for, -0.4 %"."""
        off = 100 * (self.parameters / asked - 1)
        near = "exactly" if not off else f"{off:+.1f} %" if abs(off) >= 0.1 else f"{off:+.1g} %"
        return f"{self.width} {self.value}: {self.parameters:,} of {asked:,} parameters asked for, {near}"
