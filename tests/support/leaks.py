"""Networks of a user's own, right ones and such as see what they must not, each from one line."""

from __future__ import annotations

from pathlib import Path

NETWORK = """
from dataclasses import dataclass
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.layers.pointwise import ClassBias
from pixelcnn.models.base import AutoregressiveModel

@dataclass(frozen=True)
class Hyperparameters:
    channels: int = 6

class Network(nn.Module):
    def __init__(self, model, n):
        super().__init__()
        self.first, self.label = masked_conv(model.inputs, n, 3, "A"), ClassBias(model.image.classes, n)
        self.own, self.last = nn.Conv2d(1, n, 1), nn.Conv2d(n, model.parameters_per_pixel, 1)
        self.last.weight.data.mul_(0.1)
        self.batch, self.group = nn.BatchNorm2d(n), nn.GroupNorm(2, n)
        self.scale = nn.Parameter(torch.ones(n, 1, 1))
        self.levels = model.image.levels
        self.register_buffer("moving", torch.ones(()))

    def forward(self, x, y):
        h = self.label(self.first(x, y), y)
        n, _, height, width = h.shape
        pixel, columns = self.own(x[:, :1]), torch.arange(width, device=h.device)
        {line}
        return self.last(torch.tanh(h))

class Model(AutoregressiveModel):
    def build(self, hyper):
        return Network(self, hyper.channels)
"""
ATTEND = "h.flatten(2).mT, h.flatten(2).mT, h.flatten(2).mT"
#: Leaks that small binary images of an untrained look do not show.
HIDDEN = {
    "column": "h = h + pixel * (columns >= 8)",
    "attention": f"h = h + F.scaled_dot_product_attention({ATTEND}, is_causal=height * width <= 100)"
    ".mT.reshape(h.shape)",
    "levels": "h = h + pixel * (self.levels > 10)",
}
#: Leaks of a training.
WHILE_TRAINING = {
    "batch norm": "h = self.batch(h)",
    "group norm": "h = self.group(h) if self.training else h",
    "batch": "h = h + 1e-6 * h.cumsum(0) if self.training else h",
}
RIGHT = {
    "plain": "pass",
    "dropout": "h = F.dropout(h, 0.5, self.training)",
    "dropout of channels": "h = F.dropout2d(h, 0.5, self.training)",
    "noise": "h = h + torch.randn_like(h) * self.training",
    "norm of each pixel": "h = F.layer_norm(h.movedim(1, -1), (h.shape[1],)).movedim(-1, 1)",
    "logarithm": "h = h * torch.log(1 + self.scale)",
    "rounding, and an impossible level": "impossible = torch.arange(self.levels)[:, None, None] == 3; "
    "return self.last(h + 1e-17 * pixel).masked_fill(impossible, -torch.inf)",
    "buffer": "h = h * self.moving; self.moving = self.moving + 1 if self.training else self.moving",
}


def network(folder: Path, line: str) -> str:
    """The path of a file with the network that has this line."""
    path = folder / "own.py"
    path.write_text(NETWORK.replace("{line}", line), encoding="utf-8")
    return str(path)
