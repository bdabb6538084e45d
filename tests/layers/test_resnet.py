"""Functions of a pixel's channels that are put into memory give what they give as new tensors."""

from __future__ import annotations

import pytest
import torch

from pixelcnn.layers.pointwise import concat_elu
from pixelcnn.layers.resnet import FEW, prepare_concat_elu


@pytest.mark.parametrize("pixels", [3, FEW])
def test_concat_elu_of_few_and_of_many_numbers(pixels):
    x = torch.randn(pixels, 4).double()
    x[0, 0], out = 0, torch.empty(pixels, 8).double()
    prepare_concat_elu(x, out)()
    torch.testing.assert_close(out, concat_elu(x), rtol=1e-14, atol=1e-15)
