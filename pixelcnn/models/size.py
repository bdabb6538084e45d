"""How large a network is."""

from __future__ import annotations

import torch

from pixelcnn.models.base import AutoregressiveModel


def size_of(model: AutoregressiveModel) -> tuple[int, int]:
    """The parameters of a model, and the multiply-adds of one image's forward pass and likelihood."""
    from torch.utils.flop_counter import FlopCounterMode  # imports triton, for nothing

    parameters = list(model.parameters())
    device = parameters[0].device
    image = torch.zeros(1, *model.image_shape, dtype=torch.long, device=device)
    label = None if model.image.classes is None else torch.zeros(1, dtype=torch.long, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.likelihood(model(image, label), image)
    # A multiply-add counts as two.
    return sum(p.numel() for p in parameters), counter.get_total_flops() // 2
