"""Layers that are told single pixels to look at, and places to look from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.incremental.program import Stream
from pixelcnn.layers.base import CausalLayer, Seen, shifted
from pixelcnn.layers.pointwise import PixelwiseLayer


class SparseConv2d(CausalLayer):
    """A convolution over some single taps, however far apart: [N, in, H, W] -> [N, out, H, W].

    `taps` are (rows, columns) from a pixel to earlier ones, each once; without any the output is the bias.
    The weight is [taps, out, in].
    """

    def __init__(self, inputs: int, outputs: int, taps: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self.weight = nn.Parameter(torch.zeros(len(self.taps), outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        total = self.bias[:, None, None].expand(len(x), -1, *x.shape[2:])
        for tap, weight in zip(self.taps, self.weight, strict=True):
            total = total + torch.einsum("oi,nihw->nohw", weight, _at(x, *tap))
        return total

    def reach(self, seen: Seen) -> Seen:
        sets = torch.zeros_like(seen.sets)
        for tap in self.taps:
            sets |= shifted(seen.sets, *tap)
        return Seen(sets)

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        return x.program.correlate(x, self.taps, lambda: self.weight, self.bias)


def _at(x: Tensor, rows: int, columns: int) -> Tensor:
    """At (r, c) what `x` has at (r + rows, c + columns); zero outside the image."""
    height, width = x.shape[2:]
    if abs(rows) >= height or abs(columns) >= width:
        return torch.zeros_like(x)
    return F.pad(x, (-columns, columns, -rows, rows))


class PlaceMap(PixelwiseLayer):
    """Adds a vector of its own to each place: [N, C, H, W] -> the same."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, height, width))

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return x + self.weight

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        return x.program.add_per_place(x, lambda: self.weight[None])
