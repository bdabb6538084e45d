"""Causal convolution: the kernel is cropped to the rectangle of its taps, the rest masked.

A tap (dr, dc) reads the feature at row r + dr, column c + dc. Cropping saves the work on taps
that a mask would zero; within the crop the mask is applied functionally, never to the stored weight.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.incremental.memory import Tap
from pixelcnn.incremental.program import Stream
from pixelcnn.layers.base import CausalLayer, Seen, is_free, shifted


class CausalConv2d(CausalLayer):
    """[N, in, H, W] -> [N, out, H, W], without a stride, over taps of a rectangle of earlier pixels.

    Args:
        rows: first and last row offset, both at most 0, in units of the dilation.
        columns: first and last column offset, in units of the dilation.
        last: in the pixel's own row (offset 0) no column offset above this one is a tap.
        stride: of rows and columns; the result is that at every so many-th of both, from the first one on,
            [N, out, H / stride, W / stride] rounded up.
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
        stride: int = 1,
    ) -> None:
        super().__init__()
        if rows[1] > 0 or rows[0] > rows[1] or columns[0] > columns[1]:
            raise ValueError(f"rows {rows} and columns {columns} must ascend and no row come after 0")
        self.dilation, self.stride = dilation, stride
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
        return F.conv2d(F.pad(x, pads), weight, self.bias, self.stride, dilation=d)

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        return [(self.weight, None if self.is_dense else self.mask)] if is_free(self) else []

    def normalisable(self) -> tuple[nn.Module, int]:
        return self, 0

    def reach(self, seen: Seen) -> Seen:
        sets = torch.zeros_like(seen.sets)
        for dr, dc in self.taps:
            sets |= shifted(seen.sets, dr, dc)
        return Seen(sets[:: self.stride, :: self.stride])

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        def weight() -> Tensor:
            # [out, in, rows, columns] -> [taps, out, in], the taps in the order of `self.taps`.
            return self.weight.permute(2, 3, 0, 1)[self.mask.bool()]

        return x.program.correlate(x, self.taps, weight, self.bias, self.stride)


class ShiftedConv2d(CausalConv2d):
    """A convolution whose result is shifted down and right: zeros come in, which have no bias.

    `rows` and `columns` are those after the shift, by `down` rows and `right` columns.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rows: tuple[int, int],
        columns: tuple[int, int],
        *,
        down: int = 0,
        right: int = 0,
    ) -> None:
        super().__init__(inputs, outputs, rows, columns, last=columns[1])
        self.down, self.right = down, right

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return super().forward(x, y) + self._correction(*x.shape[2:])

    def measured(self, out: Tensor) -> Tensor:
        return out[:, :, self.down :, self.right :]

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        size = x.schedule.height, x.schedule.width
        return x.program.add_per_place(super().incremental(x, y), lambda: self._correction(*size))

    def _correction(self, height: int, width: int) -> Tensor:
        """What takes the bias away where zeros come in: [1, out, H, W]."""
        shifted_in = self.bias.new_ones(height, width)
        shifted_in[self.down :, self.right :] = 0
        return -self.bias[None, :, None, None] * shifted_in


class CausalUpsample(CausalLayer):
    """[N, in, h, w] -> [N, out, H, W], a transposed convolution by a stride: the way back of a strided one.

    A place of the fine lattice lies in the cell (row // stride, column // stride) of the coarse one, whose
    feature belongs to the first place of the cell. No place may read a feature that knows more than it may:
    in a stream that knows what is above and to the left that of its own cell, in one that knows rows above
    also those beside it.

    Args:
        kernel: rows and columns.
        first_column: of the first column of the kernel, from the cell's own place: 0, or negative.
        size: H and W; what lies beyond is cropped.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        size: tuple[int, int],
        *,
        first_column: int = 0,
        stride: int = 2,
    ) -> None:
        super().__init__()
        if min(kernel) < stride:
            raise ValueError(f"kernel {kernel} leaves gaps at stride {stride}")
        self.stride, self.size, self.first_column = stride, size, first_column
        #: For each place of a cell the taps, and their rows and columns in the kernel.
        self.taps: dict[Tap, list[Tap]] = {}
        self.entries: dict[Tap, list[Tap]] = {}
        for place in itertools.product(range(stride), range(stride)):
            found = [
                ((place[0] - row) // stride, (place[1] - first_column - column) // stride, row, column)
                for row, column in itertools.product(*map(range, kernel))
                if (place[0] - row) % stride == 0 == (place[1] - first_column - column) % stride
            ]
            self.taps[place] = [(dr, dc) for dr, dc, _, _ in found]
            self.entries[place] = [(row, column) for _, _, row, column in found]
        bound = math.sqrt(stride**2 / (inputs * kernel[0] * kernel[1]))
        self.weight = nn.Parameter(torch.empty(inputs, outputs, *kernel).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        whole = F.conv_transpose2d(x, self.weight, self.bias, self.stride)
        height, width = self.size
        return whole[:, :, :height, -self.first_column : width - self.first_column]

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        return [(self.weight, None)] if is_free(self) else []

    def normalisable(self) -> tuple[nn.Module, int]:
        return self, 1

    def reach(self, seen: Seen) -> Seen:
        k, (height, width) = self.stride, self.size
        sets = seen.sets.new_zeros(height, width, seen.sets.shape[2])
        for (row, column), taps in self.taps.items():
            place = sets[row::k, column::k]
            for dr, dc in taps:
                place |= shifted(seen.sets, dr, dc)[: place.shape[0], : place.shape[1]]
        return Seen(sets)

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        def weight(place: Tap) -> Tensor:
            # [in, out, rows, columns] -> [taps, out, in]
            return torch.stack([self.weight[:, :, row, column].t() for row, column in self.entries[place]])

        return x.program.upsample(x, self.stride, self.taps, weight, self.bias)


def masked_conv(
    inputs: int, outputs: int, kernel_size: int, mask: Literal["A", "B"], dilation: int = 1
) -> CausalConv2d:
    """The masked convolution of van den Oord et al. 2016a, section 3.4.

    Mask A leaves the pixel itself out (first layer, on raw pixels), mask B takes it in.
    """
    half = kernel_size // 2
    last = -1 if mask == "A" else 0
    return CausalConv2d(inputs, outputs, (-half, 0), (-half, half), last=last, dilation=dilation)
