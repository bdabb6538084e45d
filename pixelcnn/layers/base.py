"""The interface of a causal layer, and the ways to put layers together.

A causal layer has three forms side by side, and the type of what it is called with chooses:

- a tensor [N, C, H, W]: its full form, all pixels at once;
- `Seen`: its reach, which image pixels each feature can see;
- a `Stream`: its incremental form, one front of pixels at a time, for fast sampling.

Whatever is composed of causal layers, sums and `concat` needs no more than its `forward`: called with
the one or the other it gives that of the composition. Reach and incremental form are derived from a
layer's taps and never from its weights, so that tests can hold the forms against each other.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pixelcnn.incremental.errors import NoForm, form_of
from pixelcnn.incremental.program import Stream
from pixelcnn.incremental.symbols import Symbol


class Seen(Symbol):
    """Per pixel of the features the set of image pixels seen: `sets` is bool [H, W, H·W]."""

    def __init__(self, sets: Tensor) -> None:
        self.sets = sets

    def plus(self, other: Seen) -> Seen:
        return Seen(self.sets | other.sets)

    def beside(self, others: Sequence[Seen]) -> Seen:
        return functools.reduce(Seen.plus, others, self)


class CausalLayer(nn.Module):
    """A map of features that respects the raster order of pixels."""

    #: The standard deviation of the output where that is set by the first batch, see `layers.weight_norm`.
    gain: float = 1.0

    def __call__(self, x: Any, y: Tensor | None) -> Any:
        """Features, reach or stream of the output, as `x` is one or the other.

        Args:
            x: features [N, C, H, W], or what stands for them; a tuple of them for a layer of several inputs.
            y: class labels int64 [N], or None for an unconditional model.

        Raises:
            NoForm: if the layer states that it has no such form.
            BrokenForm: if making it fails; names the layer and the error.
        """
        kind = x[0] if isinstance(x, tuple) else x
        if isinstance(kind, Stream):
            with form_of(f"{type(self).__name__}.incremental"):
                return self._same_kind(kind, self.incremental(x, y))
        if isinstance(kind, Seen):
            with form_of(f"{type(self).__name__}.reach"):
                return self._same_kind(kind, self.reach(x))
        return super().__call__(x, y)

    def forward(self, x: Any, y: Tensor | None) -> Tensor:
        """Features for every pixel at once."""
        raise NotImplementedError

    def reach(self, seen: Any) -> Seen:
        """What the output sees if the input sees `seen`."""
        raise NoForm(f"{type(self).__name__} states no reach")

    def incremental(self, x: Any, y: Tensor | None) -> Stream:
        """Add this layer to the program of `x`; a layer without such a form makes sampling slow."""
        raise NoForm(f"{type(self).__name__} has no incremental form")

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        """This layer's own weights [out, in, height, width] that give features, each with its mask or None.

        Optimizers may treat these as matrices. Weights that give what the likelihood takes are none, for each
        of their rows means a thing of its own; nor are those of layers that do not know of this.
        """
        return ()

    def normalisable(self) -> tuple[nn.Module, int] | None:
        """The module (the layer itself or a part of it) in whose `weight` and `bias` the output is linear.

        And the dimension of that weight that counts the output channels. None if this is no such layer. One
        whose weight is normalised (`layers.weight_norm`) has no `matrices`.
        """
        return None

    def measured(self, out: Tensor) -> Tensor:
        """Of its output the places by which a normalised layer is scaled: those that have its bias."""
        return out

    def _same_kind(self, x: Symbol, given: Any) -> Any:
        if type(given) is not type(x):
            raise TypeError(f"expected a {type(x).__name__}, got {type(given).__name__}")
        return given


def is_free(module: nn.Module) -> bool:
    """Whether the weight of a module is a parameter, and not computed of others."""
    return not parametrize.is_parametrized(module, "weight")


def identity_reach(height: int, width: int) -> Seen:
    """What raw pixels see: each itself."""
    return Seen(torch.eye(height * width, dtype=torch.bool).reshape(height, width, -1))


def shifted(sets: Tensor, dr: int, dc: int) -> Tensor:
    """At (r, c) what `sets` has at (r + dr, c + dc); nothing outside the image."""
    height, width, _ = sets.shape
    result = torch.zeros_like(sets)
    if abs(dr) >= height or abs(dc) >= width:
        return result
    rows = slice(max(0, -dr), min(height, height - dr))
    columns = slice(max(0, -dc), min(width, width - dc))
    from_rows = slice(max(0, dr), min(height, height + dr))
    from_columns = slice(max(0, dc), min(width, width + dc))
    result[rows, columns] = sets[from_rows, from_columns]
    return result


def coordinates(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Row and column of each pixel, scaled to -1..1: [1, 2, H, W]."""
    rows = torch.linspace(-1, 1, height, dtype=dtype, device=device)
    columns = torch.linspace(-1, 1, width, dtype=dtype, device=device)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]


def concat(*parts: Any) -> Any:
    """The channels of features beside each other, or what stands for that: [N, C1 + C2 + ..., H, W]."""
    first, *others = parts
    return first.beside(others) if isinstance(first, Symbol) else torch.cat(parts, dim=1)


class Chain(nn.Module):
    """One layer after the other."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Any, y: Tensor | None) -> Any:
        for layer in self.layers:
            x = layer(x, y)
        return x


class Residual(nn.Module):
    """x + layer(x): the sum is taken here and nowhere else."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any, y: Tensor | None) -> Any:
        return x + self.layer(x, y)
