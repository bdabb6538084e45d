"""The maps of a class against interpolation written out for one pixel."""

from __future__ import annotations

import math

import pytest
import torch

from pixelcnn.layers.pointwise import ClassMap

HEIGHT, WIDTH = 14, 5


def between(values, place, length):
    """Linear interpolation of `values`, each in the middle of an equal part of 0..length; constant beyond."""
    at = min(max((place + 0.5) * len(values) / length - 0.5, 0), len(values) - 1)
    low = math.floor(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (at - low) * (values[high] - values[low])


def test_a_pixel_gets_what_its_class_asks_for_there():
    layer = ClassMap(3, 2, 4, HEIGHT, WIDTH).double()
    y, x = torch.tensor([2, 0]), torch.randn(2, 4, HEIGHT, WIDTH, dtype=torch.float64)
    added = layer(x, y) - x
    for image, channel, row, column in [(0, 0, 0, 0), (0, 3, 6, 2), (1, 1, 9, 4), (1, 2, 13, 1)]:
        maps = layer.maps[y[image]]
        here = [between([between(line, column, WIDTH) for line in one], row, HEIGHT) for one in maps]
        expected = sum(layer.mix[channel, i] * value for i, value in enumerate(here))
        assert added[image, channel, row, column].item() == pytest.approx(expected.item(), abs=1e-6)
