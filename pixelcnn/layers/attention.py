"""Causal multi-head self-attention over all earlier pixels of the image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.incremental.memory import Call, Window, picked, put
from pixelcnn.incremental.operations import NEVER, Operation
from pixelcnn.incremental.program import Stream
from pixelcnn.incremental.schedules import Schedule
from pixelcnn.incremental.workspace import Buffer, Features, Prepared, Workspace
from pixelcnn.layers.base import CausalLayer, Seen, coordinates

#: Scores computed at once while sampling: on a CPU as many as its cache holds.
SCORES, SCORES_ON_GPU = 1_000_000, 30_000_000


class CausalSelfAttention(CausalLayer):
    """Every pixel attends to the features of itself and of all pixels before it in raster order.

    [N, C, H, W] -> [N, C, H, W]. It must stand behind a mask-A layer: the features at a pixel then
    hold earlier pixels only, so attending to one's own position leaks nothing. Queries, keys and
    values also see the pixel's row and column, since a set of features has no order (PixelSNAIL,
    Chen et al. 2018, does the same). Dot-product attention of Vaswani et al. 2017, section 3.2.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"channels {channels} must be a multiple of heads {heads}")
        self.heads = heads
        self.to_qkv = nn.Conv2d(channels + 2, 3 * channels, 1)
        self.to_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        n, c, h, w = x.shape
        placed = torch.cat([x, coordinates(h, w, x.dtype, x.device).expand(n, -1, -1, -1)], dim=1)
        qkv = self.to_qkv(placed).permute(0, 2, 3, 1).contiguous()  # no copy if it is channels last
        # [N, H, W, 3C] -> three times [N, heads, H·W, C/heads]
        qkv = qkv.view(n, h * w, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        result: Tensor = self.to_out(attended.transpose(1, 2).reshape(n, h, w, c).permute(0, 3, 1, 2))
        return result

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        return [(self.to_qkv.weight, None), (self.to_out.weight, None)]

    def reach(self, seen: Seen) -> Seen:
        h, w, pixels = seen.sets.shape
        # The union over all positions up to one's own is a running maximum in raster order.
        sets = seen.sets.reshape(-1, pixels).int().cummax(dim=0).values.bool()
        return Seen(sets.reshape(h, w, pixels))

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        """Keys and values are kept for all pixels; the queries are those of the window."""
        program = x.program
        height, width = program.schedule.height, program.schedule.width
        channels, pixels = self.to_out.in_channels, height * width
        # Keys of the row above must be there, up to its end; then fronts are also neighbours in raster order.
        in_time = height == 1 or width == 1 or program.schedule.offset(-1, width - 1)[0] <= 0
        qkv = program.linear(x, lambda: self.to_qkv.weight[:, :channels, 0, 0], self.to_qkv.bias)
        inner = channels // self.heads
        together = SCORES_ON_GPU if program.like.is_cuda else SCORES
        attend = Attend(
            qkv.features,
            program.schedule,
            place=Prepared(lambda: self._place(height, width)),
            keys=Buffer(program.images, self.heads, inner, pixels),
            values=Buffer(program.images, self.heads, pixels, inner),
            scores=Buffer(max(together, self.heads * pixels * program.schedule.lines)),
        )
        attended = program.operation(attend, channels, qkv.delay if in_time else NEVER)
        return program.linear(attended, lambda: self.to_out.weight[:, :, 0, 0], self.to_out.bias)

    def _place(self, height: int, width: int) -> Tensor:
        """What row and column add to queries, keys and values: [H·W, 3C]."""
        weight = self.to_qkv.weight
        places = coordinates(height, width, weight.dtype, weight.device)
        return places.flatten(2)[0].t() @ weight[:, -2:, 0, 0].t()


@dataclass(frozen=True, eq=False)
class Attend(Operation):
    """What the pixels of a window attend to: queries, keys and values [3C] give [C].

    `place` is added to those of each pixel, [H·W, 3C]. `keys` [N, heads, C/heads, H·W] are kept
    transposed: the products then run along neighbouring numbers. `values` are [N, heads, H·W, C/heads].
    """

    qkv: Features
    schedule: Schedule
    place: Prepared
    keys: Buffer
    values: Buffer
    scores: Buffer
    looks_back: ClassVar[bool] = True

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> tuple[Call]:
        pixels, images = window.end - window.first, window.images
        row, column = self.schedule.pixel(window.front, window.first)
        start = row * self.schedule.width + column
        end = start + pixels
        features = memory.at(self.qkv, window).view(pixels, -1, self.qkv.channels)
        where = self.place.value[start:end, None]
        # Of the pixels of the window itself only those before one's own and oneself.
        later = where.new_full((pixels, pixels), -math.inf).triu_(1)
        keys, values, scores = self.keys.value, self.values.value, self.scores.value
        heads, inner = keys.shape[1:3]

        def attend() -> None:
            # [pixels, N, 3C] -> three times [N, heads, pixels, C/heads]
            q, k, v = (features + where).view(pixels, -1, 3, heads, inner).permute(2, 1, 3, 0, 4)
            put(keys[..., start:end], k.transpose(2, 3), images, 0)
            put(values[:, :, start:end], v, images, 0)
            k, v = picked(keys[..., :end], images, 0), picked(values[:, :, :end], images, 0)
            attended = _attended(q, k, v, later, scores)
            out.view(pixels, -1, heads, inner).copy_(attended.permute(2, 0, 1, 3))

        return (attend,)


def _attended(q: Tensor, keys: Tensor, values: Tensor, later: Tensor, memory: Tensor) -> Tensor:
    """Queries [N, heads, P, C], keys [N, heads, C, pixels], values [N, heads, pixels, C]: as the queries.

    `later` [P, P] is added to the scores of the last P pixels, `memory` holds scores. For the few
    queries of a window this is faster than torch's fused attention, if the scores stay in the cache.
    """
    n, heads, p, channels = q.shape
    pixels = keys.shape[3]
    q, keys, values = ((q * channels**-0.5).flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1))
    attended = torch.empty_like(q, memory_format=torch.contiguous_format)
    together = heads * max(1, len(memory) // (heads * p * pixels))
    for first in range(0, n * heads, together):
        of = slice(first, min(first + together, n * heads))
        scores = memory[: (of.stop - first) * p * pixels].view(-1, p, pixels)
        torch.bmm(q[of], keys[of], out=scores)
        scores[:, :, -p:] += later
        torch.softmax(scores, dim=-1, out=scores)
        torch.bmm(scores, values[of], out=attended[of])
    return attended.view(n, heads, p, channels)
