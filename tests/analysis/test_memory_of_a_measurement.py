"""What is advised where memory runs out while a variant is measured."""

from __future__ import annotations

import pytest
import torch
from support.small import prepared, run_spec

from pixelcnn.analysis import cost
from pixelcnn.models import registry
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.system.errors import RunFailed
from pixelcnn.training.loop import image_spec


@pytest.mark.parametrize(
    ("in_step", "batch_size", "advice"),
    [
        (True, 16, "lower training.batch_size, which is 16 "),
        (True, 1, "training.batch_size is 1 already, what is left is a smaller network"),
        (False, 16, "evaluating and drawing 64 images together; what is left is a smaller network"),
    ],
)
def test_a_measurement_says_what_takes_less_memory(monkeypatch, in_step, batch_size, advice):
    data, spec = prepared(20), run_spec("independent", batch_size=batch_size, precision="float32")
    model, _ = registry.build_model(spec.variant, image_spec(data))
    trained = Checkpoint(spec, image_spec(data), data.sha256, 1, model.state_dict(), model.state_dict())
    forward = AutoregressiveModel.forward

    def passing(self, x, y=None):
        if self.training is in_step:
            raise MemoryError("of the test")
        return forward(self, x, y)

    monkeypatch.setattr(AutoregressiveModel, "forward", passing)
    with pytest.raises(RunFailed, match=f"^the CPU is out of memory: {advice}"):
        cost.measure_cost(trained, data, torch.device("cpu"), "float32")
