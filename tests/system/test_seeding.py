"""The noise of pixels."""

from __future__ import annotations

import pytest
import torch

from pixelcnn.system.seeding import pixel_noise


def test_noise_is_keyed_by_image_and_uniform():
    noise = pixel_noise(3, 0, 200, (1, 6, 6))
    assert torch.equal(pixel_noise(3, 150, 10, (1, 6, 6)), noise[150:160])
    assert len(noise.unique()) == noise.numel()
    assert noise.mean().item() == pytest.approx(0.5, abs=0.02) and noise.min() >= 0 and noise.max() < 1
