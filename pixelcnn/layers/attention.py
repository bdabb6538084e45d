"""Causal multi-head self-attention over all earlier pixels of the image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.layers.base import CausalLayer, Seen, coordinates


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
        placed = torch.cat([x, coordinates(x).expand(n, -1, -1, -1)], dim=1)
        # [N, 3C, H, W] -> three times [N, heads, H·W, C/heads]; channels last makes this a view.
        qkv = self.to_qkv(placed).permute(0, 2, 3, 1).reshape(n, h * w, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.to_out(attended.transpose(1, 2).reshape(n, h, w, c).permute(0, 3, 1, 2))

    def reach(self, seen: Seen) -> Seen:
        h, w, pixels = seen.shape
        # The union over all positions up to one's own is a running maximum in raster order.
        return seen.reshape(-1, pixels).int().cummax(dim=0).values.bool().reshape(h, w, pixels)
