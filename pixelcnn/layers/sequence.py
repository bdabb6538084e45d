"""An image as a sequence of pixels in raster order."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.incremental.program import Stream
from pixelcnn.layers.base import CausalLayer, Seen


class PreviousPixel(CausalLayer):
    """A linear map of the pixel before in raster order: [N, in, H, W] -> [N, out, H, W].

    Before the first pixel of a row comes the last one of the row above, before the first one of the image
    come zeros. A constant among the channels tells these from a pixel, as a token at the start would.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]  # it was asked for

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        sequence = x.permute(0, 2, 3, 1).flatten(1, 2)
        shifted = F.pad(sequence, (0, 0, 1, -1)).unflatten(1, x.shape[2:])
        result: Tensor = self.conv(shifted.permute(0, 3, 1, 2))
        return result

    def matrices(self) -> Iterable[tuple[Tensor, Tensor | None]]:
        return [(self.conv.weight, None)]

    def reach(self, seen: Seen) -> Seen:
        before = seen.sets.flatten(0, 1)[:-1]
        return Seen(torch.cat([torch.zeros_like(seen.sets[:1, 0]), before]).view_as(seen.sets))

    def incremental(self, x: Stream, y: Tensor | None) -> Stream:
        # The one tap or the other lies in the image, the other or the one in its padding of zeros.
        taps = ((-1, x.schedule.width - 1), (0, -1))
        assert self.conv.bias is not None
        return x.program.correlate(
            x, taps, lambda: self.conv.weight[:, :, 0, 0].expand(len(taps), -1, -1), self.conv.bias
        )
