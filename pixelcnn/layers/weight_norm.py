"""Weight normalisation, and its start from the first batch (Salimans and Kingma 2016, sections 2 and 3).

A weight is g · v / |v|, with a length g for each output channel beside a direction v. Parameters are called
as torch's own has them (`parametrizations.weight.original0` and `original1`), and the function is the same;
but torch's operation is none that `vmap` knows: seeds that train in one step would normalise one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pixelcnn.layers.base import CausalLayer, is_free

#: A channel that varies less than this over the first batch keeps its length: there is nothing to measure.
LEAST_DEVIATION = 1e-5
#: In the place of the norm of a weight that is zero.
SMALLEST = 1e-12


class WeightNorm(nn.Module):
    """g · v / |v|, the norms over all dimensions but `dim`, that of the output channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return v * (g / self._norm(v).clamp_min(SMALLEST))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction of a weight, such that it stays as it is."""
        return self._norm(weight), weight

    def _norm(self, v: Tensor) -> Tensor:
        others = [dim for dim in range(v.ndim) if dim != self.dim]
        norm: Tensor = torch.linalg.vector_norm(v, dim=others, keepdim=True)
        return norm


def weight_normalised(network: nn.Module) -> nn.Module:
    """The network itself, each weight normalised whose layer says that its output is linear in it.

    What it computes stays as it is. Entries that a mask leaves out are zeroed, and stay so: they are no part
    of any length.
    """
    for layer in list(network.modules()):
        if isinstance(layer, CausalLayer) and (found := layer.normalisable()) is not None:
            owner, dim = found
            with torch.no_grad():
                for weight, mask in layer.matrices():
                    if mask is not None:
                        weight.mul_(mask)
            parametrize.register_parametrization(owner, "weight", WeightNorm(dim))
    return network


def normalised(network: nn.Module) -> Iterator[tuple[CausalLayer, Any, int]]:
    """The layers whose weight is normalised, each with the module that has the weight, and its `dim`."""
    for layer in network.modules():
        if isinstance(layer, CausalLayer) and (found := layer.normalisable()) is not None:
            owner, dim = found
            if not is_free(owner):
                yield layer, owner, dim


@torch.no_grad()
def start_from(model: nn.Module, x: Tensor, y: Tensor | None) -> None:
    """Scale and shift all normalised layers by one pass over images, model(x, y).

    The output of each then has mean 0 and its layer's `gain` as its standard deviation, in every channel over
    images and places, where the layers before it are so already. In evaluation mode: nothing is drawn.
    """
    hooks = [
        layer.register_forward_hook(functools.partial(_rescale, owner, dim))
        for layer, owner, dim in normalised(model)
    ]
    was_training = model.training
    try:
        model.eval()(x, y)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()


def _rescale(owner: Any, dim: int, layer: CausalLayer, inputs: Any, out: Tensor) -> Tensor:
    measured = layer.measured(out)
    if measured.numel() == 0:
        return out
    deviation, mean = torch.std_mean(measured, dim=(0, 2, 3), correction=0)
    scale = torch.where(deviation > LEAST_DEVIATION, layer.gain / deviation, 1.0)
    length = owner.parametrizations.weight.original0
    length.mul_(scale.view([-1 if i == dim else 1 for i in range(length.ndim)]))
    owner.bias.sub_(mean).mul_(scale)
    return layer.forward(*inputs)
