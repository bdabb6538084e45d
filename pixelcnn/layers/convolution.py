"""Causal convolution: the kernel is cropped to the rectangle of its taps, the rest masked.

A tap (dr, dc) reads the feature at row r + dr, column c + dc. Cropping saves the work on taps
that a mask would zero; within the crop the mask is applied functionally, never to the stored weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.incremental.program import Stream
from pixelcnn.layers.base import CausalLayer, Seen, is_free, shifted


class CausalConv2d(CausalLayer):
    """[N, in, H, W] -> [N, out, H, W] over taps of a rectangle of earlier pixels.

    Args:
        rows: first and last row offset, both at most 0, in units of the dilation.
        columns: first and last column offset, in units of the dilation.
        last: in the pixel's own row (offset 0) no column offset above this one is a tap.
    """

    mask: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rows: tuple[int, int],
        columns: tuple[int, int],
        *,
        last: int,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        if rows[1] > 0 or rows[0] > rows[1] or columns[0] > columns[1]:
            raise ValueError(f"rows {rows} and columns {columns} must ascend and no row come after 0")
        self.dilation = dilation
        self.rows, self.columns = rows, columns
        height, width = rows[1] - rows[0] + 1, columns[1] - columns[0] + 1
        places = [[(r, c) for c in range(columns[0], columns[1] + 1)] for r in range(rows[0], rows[1] + 1)]
        mask = [[float(r < 0 or c <= last) for r, c in row] for row in places]
        self.register_buffer("mask", torch.tensor(mask), persistent=False)
        self.taps = tuple(
            (dilation * r, dilation * c) for row in places for r, c in row if r < 0 or c <= last
        )
        self.is_dense = len(self.taps) == height * width
        bound = 1 / math.sqrt(inputs * len(self.taps))
        self.weight = nn.Parameter(torch.empty(outputs, inputs, height, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        d = self.dilation
        # Left, right, top, bottom. A negative pad crops: a layer that reads only rows above needs it.
        pads = (-d * self.columns[0], d * self.columns[1], -d * self.rows[0], d * self.rows[1])
        weight = self.weight if self.is_dense else self.weight * self.mask
        return F.conv2d(F.pad(x, pads), weight, self.bias, dilation=d)

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        return [(self.weight, None if self.is_dense else self.mask)] if is_free(self) else []

    def normalisable(self) -> tuple[nn.Module, int]:
        return self, 0

    def reach(self, seen: Seen) -> Seen:
        sets = torch.zeros_like(seen.sets)
        for dr, dc in self.taps:
            sets |= shifted(seen.sets, dr, dc)
        return Seen(sets)

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        def weight() -> Tensor:
            # [out, in, rows, columns] -> [taps, out, in], the taps in the order of `self.taps`.
            return self.weight.permute(2, 3, 0, 1)[self.mask.bool()]

        return x.program.correlate(x, self.taps, weight, self.bias)


def masked_conv(
    inputs: int, outputs: int, kernel_size: int, mask: Literal["A", "B"], dilation: int = 1
) -> CausalConv2d:
    """The masked convolution of van den Oord et al. 2016a, section 3.4.

    Mask A leaves the pixel itself out (first layer, on raw pixels), mask B takes it in.
    """
    half = kernel_size // 2
    last = -1 if mask == "A" else 0
    return CausalConv2d(inputs, outputs, (-half, 0), (-half, half), last=last, dilation=dilation)
