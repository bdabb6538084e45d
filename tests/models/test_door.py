"""The door of a model."""

from __future__ import annotations

import pytest
import torch
from support.networks import network

from pixelcnn.system.errors import UserError


@pytest.mark.parametrize(
    ("x", "said"), [(torch.zeros(1, 1, 4, 5), "integer"), (torch.zeros(1, 1, 5, 4).long(), "4, 5")]
)
def test_the_door_of_a_model_refuses_other_images(x, said):
    with pytest.raises(UserError, match=said):
        network()[0](x)
