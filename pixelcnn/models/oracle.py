"""The truth of a causal random field (`config.random_field`): a network whose weights are those of the field.

Only a dataset that is drawn from one has it. It is made of causal layers like any other network, so that its
reach, likelihoods and samples come by the same code; but its weights are given, and none is trained. Where
the field depends on the label it is conditional, and others are held against its label-marginalised NLL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pixelcnn.config.fields import internal
from pixelcnn.config.random_field import FieldSpec, Rule, Tap, rule_of
from pixelcnn.layers.base import Chain
from pixelcnn.layers.pointwise import Activation, ClassBias, Pointwise
from pixelcnn.layers.taps import PlaceMap, SparseConv2d
from pixelcnn.likelihoods.tilted import Tilted
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.system.errors import ConfigError


@dataclass(frozen=True)
class Hyperparameters:
    """Of each dataset its own field, see `Benchmark.variant_on`; None if it is drawn from none."""

    field: FieldSpec | None = internal(FieldSpec())  # noqa: RUF009  # a field


class Oracle(AutoregressiveModel):
    """p(x) of the field itself."""

    truth = True
    likelihood_name = "tilted"

    def tells_place(self, hyperparameters: Any) -> bool:
        return False

    def build(self, hyperparameters: Hyperparameters) -> nn.Module:
        if hyperparameters.field is None:
            raise ConfigError("model: oracle: knows the truth of source: markov alone")
        if not isinstance(self.likelihood, Tilted):
            raise ConfigError("likelihood: oracle has one of its own, tilted; leave the key out")
        image = self.image
        rule = rule_of(hyperparameters.field, image.channels, image.height, image.width)
        network = Chain(*self._from_pixels(rule), self._from_label(rule))
        return network.requires_grad_(False)

    def _from_pixels(self, rule: Rule) -> list[nn.Module]:
        """What the taps add up to, [N, P, H, W]; taps of one region each are cut off elsewhere."""
        before = [tap for tap in rule.taps if tap.offset != (0, 0)]
        offsets = list(dict.fromkeys(tap.offset for tap in before))
        if all(tap.places is None for tap in before):
            whole = SparseConv2d(self.inputs, self.parameters_per_pixel, offsets)
            with torch.no_grad():
                for tap in before:
                    whole.weight[offsets.index(tap.offset), tap.target, tap.source] = tap.weight
                whole.bias.copy_(self._between_channels(rule))
            return [whole]
        # Each tap by itself, as s and -s, from -1 to 1: relu(s) - relu(-s) is s; where both are 2 less, 0.
        parts = SparseConv2d(self.inputs, 2 * len(before), offsets)
        mask = PlaceMap(2 * len(before), self.image.height, self.image.width)
        sums = Pointwise(2 * len(before), self.parameters_per_pixel, last=True)
        with torch.no_grad():
            sums.conv.weight.zero_()
            assert sums.conv.bias is not None
            sums.conv.bias.copy_(self._between_channels(rule))
            for i, tap in enumerate(before):
                for row, sign in ((2 * i, 1), (2 * i + 1, -1)):
                    parts.weight[offsets.index(tap.offset), row, tap.source] = sign
                    mask.weight[row] = -2.0 * (1 - self._where(tap))
                    sums.conv.weight[tap.target, row] = sign * tap.weight
        return [parts, mask, Activation(), sums]

    def _where(self, tap: Tap) -> Tensor:
        """1 at the places of a tap, else 0: [H, W]."""
        height, width = self.image.height, self.image.width
        return torch.tensor(
            [[float(tap.places is None or (r, c) in tap.places) for c in range(width)] for r in range(height)]
        )

    def _between_channels(self, rule: Rule) -> Tensor:
        """The parameters by which channels of a pixel depend on its earlier ones, the others zero: [P]."""
        assert isinstance(self.likelihood, Tilted)
        found = torch.zeros(self.parameters_per_pixel)
        for tap in rule.taps:
            if tap.offset == (0, 0):
                pair = self.likelihood.pairs.index((tap.source, tap.target))
                found[self.image.channels + pair] = tap.weight
        return found

    def _from_label(self, rule: Rule) -> nn.Module:
        """The shifts, of a conditional one; a field in which labels matter is known to no other."""
        bias = ClassBias(self.image.classes, self.parameters_per_pixel)
        if bias.bias is not None:
            with torch.no_grad():
                bias.bias.zero_()
                # More classes than the field has are those of a check by itself.
                for label, shifts in zip(range(len(bias.bias)), rule.shifts, strict=False):
                    bias.bias[label, : self.image.channels] = torch.tensor(shifts)
        return bias
