"""Causal multi-head attention to the earlier pixels of the image, with the pixel's own or strictly without.

Dot-product attention of Vaswani et al. 2017, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.incremental.attending import Heads, attend
from pixelcnn.incremental.program import Stream
from pixelcnn.layers.base import CausalLayer, Seen, coordinates

#: Queries that attend at once in bfloat16 on a CPU: what masks would hide of a whole image is left out.
QUERIES = 196


class CausalSelfAttention(CausalLayer):
    """Every pixel attends to the features of itself and of all pixels before it in raster order.

    [N, C, H, W] -> [N, C, H, W]. It must stand behind a mask-A layer: the features at a pixel then
    hold earlier pixels only, so attending to one's own position leaks nothing. Queries, keys and
    values also see the pixel's row and column, since a set of features has no order (PixelSNAIL,
    Chen et al. 2018, does the same), unless the features are `placed` themselves;
    then they have no bias, which a LayerNorm before them has.
    """

    def __init__(self, channels: int, heads: int, *, placed: bool = False) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"channels {channels} must be a multiple of heads {heads}")
        self.heads, self.placed = heads, placed
        # Keys move by a constant to no effect, so the gradient of a bias of theirs is rounding and no more.
        self.to_qkv = nn.Conv2d(channels if placed else channels + 2, 3 * channels, 1, bias=not placed)
        self.to_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        n, c, h, w = x.shape
        if not self.placed:
            x = torch.cat([x, coordinates(h, w, x.dtype, x.device).expand(n, -1, -1, -1)], dim=1)
        qkv = self.to_qkv(x).permute(0, 2, 3, 1).contiguous()  # no copy if it is channels last
        # [N, H, W, 3C] -> three times [N, heads, H·W, C/heads]
        qkv = qkv.view(n, h * w, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = causally_attended(q, k, v)
        result: Tensor = self.to_out(attended.transpose(1, 2).reshape(n, h, w, c).permute(0, 3, 1, 2))
        return result

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        return [(self.to_qkv.weight, None), (self.to_out.weight, None)]

    def reach(self, seen: Seen) -> Seen:
        return _up_to_oneself(seen)

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        program, channels = x.program, self.to_out.in_channels
        size = channels // self.heads
        qkv = program.linear(x, lambda: self.to_qkv.weight[:, :channels, 0, 0], self.to_qkv.bias)
        if not self.placed:
            size_of_image = x.schedule.height, x.schedule.width
            qkv = program.add_per_place(qkv, lambda: self._place(*size_of_image))
        attended = attend(qkv, qkv, Heads(self.heads, size, size), first=channels, strict=False)
        return _linear(attended, self.to_out)

    def _place(self, height: int, width: int) -> Tensor:
        """What row and column add to queries, keys and values: [1, 3C, H, W]."""
        weight = self.to_qkv.weight
        return F.conv2d(coordinates(height, width, weight.dtype, weight.device), weight[:, -2:])


class StrictAttention(CausalLayer):
    """Queries and keys from different features: a pixel attends to the pixels before it, never to itself.

    ([N, queries, H, W], [N, keys, H, W]) -> [N, heads · value, H, W]. So what keys and values are made of may
    hold the pixel's own value; that of queries must not. The first pixel has none before it and gets zeros
    (as in the code of PixelSNAIL, Chen et al. 2018).
    """

    def __init__(self, queries: int, keys: int, *, heads: int, key_size: int, value_size: int) -> None:
        super().__init__()
        self.heads = Heads(heads, key_size, value_size)
        self.to_queries = nn.Conv2d(queries, heads * key_size, 1)
        self.to_keys_and_values = nn.Conv2d(keys, heads * (key_size + value_size), 1)

    def forward(self, x: tuple[Tensor, Tensor], y: Tensor | None) -> Tensor:
        heads, (height, width) = self.heads, x[0].shape[2:]
        keys_and_values = self.to_keys_and_values(x[1])
        keys, values = keys_and_values.split([heads.count * heads.key, heads.count * heads.value], dim=1)
        of_heads = (_of_heads(part, heads.count) for part in (self.to_queries(x[0]), keys, values))
        attended = strictly_attended(*of_heads).transpose(1, 2)  # [N, H·W, heads, value]
        result: Tensor = attended.flatten(2).unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return result

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        return [(self.to_queries.weight, None), (self.to_keys_and_values.weight, None)]

    def reach(self, seen: tuple[Seen, Seen]) -> Seen:
        queries, keys = (part.sets.flatten(0, 1) for part in (seen[0], _up_to_oneself(seen[1])))
        sets = torch.zeros_like(keys)
        sets[1:] = keys[:-1]
        sets[2:] |= queries[2:]  # of a single value the weight is 1, whatever the query
        return Seen(sets.view_as(seen[0].sets))

    def incremental(self, x: tuple[Stream, Stream], y: Tensor | None) -> Stream:
        queries = _linear(x[0], self.to_queries)
        return attend(queries, _linear(x[1], self.to_keys_and_values), self.heads, strict=True)


def strictly_attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Queries and keys [N, heads, pixels, key], values [N, heads, pixels, value]: as the values.

    Every pixel but the first attends to those before it, the first gets zeros.
    """
    # The i-th query that is left sees the first i keys that are left: the usual mask, without an empty row.
    parts = queries[:, :, 1:], keys[:, :, :-1], values[:, :, :-1]
    size, wide = keys.shape[3], max(keys.shape[3], values.shape[3])
    # Torch's fused attention on a CPU wants keys and values of one size; zeros change nothing.
    q, k, v = (F.pad(part, (0, wide - part.shape[3])) for part in parts)
    attended = causally_attended(q, k, v, scale=size**-0.5)
    return F.pad(attended[..., : values.shape[3]], (0, 0, 1, 0))


def causally_attended(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    """Each pixel attends to itself and all before it, [N, heads, pixels, size]; `scale` is that of torch.

    In bfloat16 on a CPU, and so only in training, torch's fused attention takes longer than products of
    matrices for some queries at a time. These round the logits to bfloat16, which it does not.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
    heads, (pixels, size) = q.shape[:2], q.shape[2:]
    q, k, v = (part.flatten(0, 1) for part in (q * (scale or size**-0.5), k, v))
    attended = []
    with torch.autocast("cpu", enabled=False):  # which would make the weights float32 in between
        for first in range(0, max(pixels, 1), QUERIES):
            end = min(first + QUERIES, pixels)
            later = torch.full((end - first, end), -torch.inf, dtype=q.dtype).triu(first + 1)
            weights = torch.baddbmm(later, q[:, first:end], k[:, :end].mT).softmax(dim=2)
            attended.append(weights @ v[:, :end])
    joined: Tensor = torch.cat(attended, dim=1).unflatten(0, heads)
    return joined


def _of_heads(x: Tensor, heads: int) -> Tensor:
    """[N, heads · size, H, W] -> [N, heads, H·W, size]."""
    by_pixel = x.permute(0, 2, 3, 1).contiguous()  # no copy if it is channels last
    result: Tensor = by_pixel.flatten(1, 2).unflatten(2, (heads, -1)).transpose(1, 2)
    return result


def _linear(x: Stream, layer: nn.Conv2d) -> Stream:
    return x.program.linear(x, lambda: layer.weight[:, :, 0, 0], layer.bias)


def _up_to_oneself(seen: Seen) -> Seen:
    """What all positions up to one's own see."""
    h, w, pixels = seen.sets.shape
    # The union is a running maximum in raster order.
    sets = seen.sets.reshape(-1, pixels).int().cummax(dim=0).values.bool()
    return Seen(sets.reshape(h, w, pixels))
