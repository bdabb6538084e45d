"""PixelCNN++ computes what the paper's code does, written once more in its words: shifts, pads."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.invariants.leaks import randomise
from pixelcnn.models.base import ImageSpec
from pixelcnn.models.registry import build_model, resolve

#: What makes it the paper's.
PAPER = {"place": False, "weight_norm": True}


def built(colours, size, classes=None, components=2, **hyperparameters):
    variant = VariantSpec(
        "pixelcnn_pp", classes is not None, "logistic_mixture", hyperparameters, {"components": components}
    )
    return build_model(resolve(variant), ImageSpec(colours, *size, 256, classes))[0]


def concat_elu(x):
    return F.elu(torch.cat([x, -x], dim=1))


class Paper:
    """The forward pass of Salimans et al. 2017 on the weights of a network of ours."""

    def __init__(self, network, labels):
        self.network, self.labels = network, labels

    def conv(self, name, x, pads, stride=1):
        layer = self.network.get_submodule(name)
        return F.conv2d(F.pad(x, pads), layer.weight, layer.bias, stride)

    def down(self, name, x, stride=1):
        return self.conv(name, x, (1, 1, 1, 0), stride)

    def down_right(self, name, x, stride=1):
        return self.conv(name, x, (1, 0, 1, 0), stride)

    def resnet(self, name, x, conv, beside=None):
        c1 = conv(f"{name}.first", concat_elu(x))
        if beside is not None:
            c1 = c1 + self.conv(f"{name}.beside.conv", concat_elu(beside), (0, 0))
        c2 = conv(f"{name}.second", concat_elu(c1))
        if self.labels is not None:
            c2 = c2 + self.network.get_submodule(f"{name}.label").bias[self.labels][:, :, None, None]
        a, b = c2.chunk(2, dim=1)
        return x + a * torch.sigmoid(b)

    def deconv(self, name, x, size, crop):
        layer = self.network.get_submodule(name)
        whole = F.conv_transpose2d(x, layer.weight, layer.bias, 2)
        return whole[:, :, : size[0], crop : size[1] + crop]

    def __call__(self, x, blocks, resolutions):
        u = [F.pad(self.down("stem.above", x), (0, 0, 1, 0))[:, :, :-1]]
        row = F.pad(self.conv("stem.left.row", x, (1, 1, 0, 0)), (0, 0, 1, 0))[:, :, :-1]
        column = F.pad(self.conv("stem.left.column", x, (0, 0, 1, 0)), (1, 0, 0, 0))[..., :-1]
        ul, layer, sizes = [row + column], 0, [x.shape[2:]]
        for resolution in range(resolutions):
            for _ in range(blocks):
                u.append(self.resnet(f"down.{layer}.above", u[-1], self.down))
                ul.append(self.resnet(f"down.{layer}.left", ul[-1], self.down_right, u[-1]))
                layer += 1
            if resolution < resolutions - 1:
                u.append(self.down(f"down.{layer}.above", u[-1], 2))
                ul.append(self.down_right(f"down.{layer}.left", ul[-1], 2))
                layer += 1
                sizes.append(u[-1].shape[2:])
        above, left, layer = u.pop(), ul.pop(), 0
        for resolution in range(resolutions):
            sizes.pop()
            for _ in range(blocks + (resolution > 0)):
                above = self.resnet(f"up.{layer}.above", above, self.down, u.pop())
                both = torch.cat([above, ul.pop()], dim=1)
                left = self.resnet(f"up.{layer}.left", left, self.down_right, both)
                layer += 1
            if resolution < resolutions - 1:
                above = self.deconv(f"up.{layer}.above", above, sizes[-1], 1)
                left = self.deconv(f"up.{layer}.left", left, sizes[-1], 0)
                layer += 1
        assert not u and not ul
        return self.conv("head.layers.1.conv", F.elu(left), (0, 0))


@pytest.mark.parametrize(
    ("size", "blocks", "resolutions", "classes", "options"),
    [
        ((8, 8), 2, 3, None, PAPER),
        ((7, 10), 1, 3, 3, PAPER),
        ((5, 6), 1, 1, 3, {"place": False}),
        ((14, 4), 1, 4, None, PAPER),
    ],
)
def test_the_function_is_that_of_the_paper(size, blocks, resolutions, classes, options):
    model = built(3, size, classes, channels=4, blocks=blocks, resolutions=resolutions, **options)
    randomise(model)
    x = torch.randint(0, 256, (2, 3, *size)).double()
    y = None if classes is None else torch.tensor([2, 0])
    entered = torch.cat([x * 2 / 255 - 1, torch.ones(2, 1, *size).double()], dim=1)
    paper = Paper(model.network, y)
    torch.testing.assert_close(
        model(x.long(), y), paper(entered, blocks, resolutions), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize(
    ("colours", "blocks", "width", "components", "parameters"),
    # Counted by running a public PyTorch version.
    [
        (3, 1, 8, 2, 37_288),
        (1, 1, 8, 2, 36_972),
        (3, 2, 16, 5, 245_988),
        (3, 5, 80, 10, 13_440_840),
    ],
)
def test_it_has_as_many_parameters_as_the_published_one(colours, blocks, width, components, parameters):
    model = built(colours, (32, 32), None, components, channels=width, blocks=blocks, **PAPER)
    assert sum(weight.numel() for weight in model.parameters()) == parameters


def test_the_first_batch_sets_every_layer_apart_from_what_shifts_bring_in():
    model = built(1, (6, 8), None, channels=4, blocks=1, resolutions=2, **PAPER)
    x, found = torch.randint(0, 256, (9, 1, 6, 8)), {}
    model.begin(lambda: (x, None))
    names = {layer: name for name, layer in model.network.named_modules() if hasattr(layer, "normalisable")}
    hooks = [
        layer.register_forward_hook(lambda layer, _, out: found.update({names[layer]: out}))
        for layer in names
        if layer.normalisable() is not None
    ]
    with torch.no_grad():
        model.eval()(x)
    for hook in hooks:
        hook.remove()
    assert {"stem.above", "stem.left.column", "up.1.above", "down.0.left.second"} <= set(found)
    inside = {"stem.above": (1, 0), "stem.left.row": (1, 0), "stem.left.column": (0, 1)}
    for name, out in found.items():
        down, right = inside.get(name, (0, 0))
        assert not out[:, :, :down].any() and not out[:, :, :, :right].any(), name
        values = out[:, :, down:, right:].movedim(1, 0).flatten(1)
        gain = 0.1 if name.endswith(("second", "head.layers.1")) else 1
        moving = values.std(dim=1) > 1e-4
        assert values.mean(dim=1).abs().max() < 1e-3 and moving.any(), name
        assert (values.std(dim=1, correction=0)[moving] / gain - 1).abs().max() < 1e-3, name
