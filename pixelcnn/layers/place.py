"""Where a pixel is, for layers that treat all places alike. It depends on no pixel, so it leaks nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pixelcnn.incremental.program import Stream
from pixelcnn.layers.base import CausalLayer, Seen, coordinates
from pixelcnn.layers.pointwise import PixelwiseLayer

#: Standard deviation of embeddings at the start.
EMBEDDING_SCALE = 0.1


class Coordinates(CausalLayer):
    """Row and column of each pixel, scaled to -1..1, whatever the features: [N, C, H, W] -> [N, 2, H, W]."""

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return coordinates(x.shape[2], x.shape[3], x.dtype, x.device).expand(len(x), -1, -1, -1)

    def reach(self, seen: Seen) -> Seen:
        return Seen(torch.zeros_like(seen.sets))

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        program = x.program
        height, width, like = x.schedule.height, x.schedule.width, program.like

        def compute() -> Tensor:
            return coordinates(height, width, like.dtype, like.device).expand(program.images, -1, -1, -1)

        return program.known(2, compute, x.stride)


class PlaceEmbedding(PixelwiseLayer):
    """Adds a learned vector of the pixel's row and one of its column: [N, C, H, W] -> the same."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(EMBEDDING_SCALE * torch.randn(channels, height, 1))
        self.columns = nn.Parameter(EMBEDDING_SCALE * torch.randn(channels, 1, width))

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        return x + (self.rows + self.columns)

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        return x.program.add_per_place(x, lambda: (self.rows + self.columns)[None])
