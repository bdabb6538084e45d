"""The interface of a causal layer, and the ways to put layers together.

A layer maps features to features: a tensor [N, C, H, W], or a pair of them for a layer with two
streams. Beside `forward` it states its `reach`: which input pixels a feature can see. The reach
is derived from the layer's taps and never from its weights, so that a test can hold the one
against the other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Per pixel of the features the set of image pixels seen: bool [H, W, H·W] (pairs for two streams).
Seen = Tensor


class CausalLayer(nn.Module):
    """A map of features that respects the raster order of pixels."""

    def forward(self, x: Any, y: Tensor | None) -> Any:
        """Features for every pixel at once.

        Args:
            x: features [N, C, H, W], or a pair (vertical, horizontal) of them.
            y: class labels int64 [N], or None for an unconditional model.
        """
        raise NotImplementedError

    def reach(self, seen: Any) -> Any:
        """What the output sees if the input sees `seen`: here the same, as for a pointwise layer."""
        return seen


def identity_reach(height: int, width: int) -> Seen:
    """What raw pixels see: each itself."""
    return torch.eye(height * width, dtype=torch.bool).reshape(height, width, -1)


def shifted(seen: Seen, dr: int, dc: int) -> Seen:
    """At (r, c) what `seen` has at (r + dr, c + dc); nothing outside the image."""
    height, width, _ = seen.shape
    result = torch.zeros_like(seen)
    rows = slice(max(0, -dr), min(height, height - dr))
    columns = slice(max(0, -dc), min(width, width - dc))
    from_rows = slice(max(0, dr), min(height, height + dr))
    from_columns = slice(max(0, dc), min(width, width + dc))
    result[rows, columns] = seen[from_rows, from_columns]
    return result


def coordinates(x: Tensor) -> Tensor:
    """Row and column of each pixel of x [N, C, H, W], scaled to -1..1: [1, 2, H, W]."""
    _, _, h, w = x.shape
    rows = torch.linspace(-1, 1, h, dtype=x.dtype, device=x.device)
    columns = torch.linspace(-1, 1, w, dtype=x.dtype, device=x.device)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]


class Chain(CausalLayer):
    """One layer after the other."""

    def __init__(self, *layers: CausalLayer) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Any, y: Tensor | None) -> Any:
        for layer in self.layers:
            x = layer(x, y)
        return x

    def reach(self, seen: Any) -> Any:
        for layer in self.layers:
            seen = layer.reach(seen)  # type: ignore[operator]  # every member is a CausalLayer
        return seen


class Residual(CausalLayer):
    """x + layer(x): the sum is taken here and nowhere else."""

    def __init__(self, layer: CausalLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return x + self.layer(x, y)

    def reach(self, seen: Seen) -> Seen:
        return seen | self.layer.reach(seen)
