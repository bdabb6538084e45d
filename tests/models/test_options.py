"""Options of architectures that no other test turns on."""

from __future__ import annotations

import pytest
import torch
from support.networks import network
from support.small import SMALL

from pixelcnn.invariants.architecture import Kind, check_kind
from pixelcnn.layers.gated import GatedBlock, SkippedStream
from pixelcnn.training.optimizers import gradients_of


@pytest.mark.parametrize("blocks", [0, 2])
def test_the_invariants_hold_with_skip_connections(blocks):
    kind = Kind(True, 3, 1, "categorical", classes=2)
    hyperparameters = {**SMALL["gated"], "blocks": blocks, "skip": True}
    results = list(check_kind("gated", hyperparameters, kind, height=4, width=6, tiny=[(1, 2)]))
    assert [str(result) for result in results if not result.passed] == []


def test_the_head_reads_the_sum_of_what_every_block_gives_and_no_weight_is_idle():
    model, _ = network("gated", hyperparameters={**SMALL["gated"], "skip": True})
    given, read = [], []
    for layer in model.network.layers:
        if isinstance(layer, GatedBlock):
            layer.skip.register_forward_hook(lambda layer, x, out: given.append(out))
        if isinstance(layer, SkippedStream):
            layer.register_forward_hook(lambda layer, x, out: read.append(out))
    model(torch.zeros(2, *model.image_shape, dtype=torch.long)).square().sum().backward()
    assert len(given) == 3
    torch.testing.assert_close(read[0], torch.stack(given).sum(dim=0))
    gradients = gradients_of(dict(model.named_parameters()))
    assert [name for name, gradient in gradients.items() if not gradient.any()] == []
