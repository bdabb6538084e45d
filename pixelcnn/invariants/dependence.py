"""What parameters depend on: their own image, the label and the weights, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch

from pixelcnn.invariants.leaks import QUIET_DRAWS, random_images, random_labels, randomise
from pixelcnn.invariants.results import Result, judged
from pixelcnn.models.base import AutoregressiveModel


@torch.no_grad()
def check_images_apart(model: AutoregressiveModel) -> Result:
    """The parameters of an image do not depend on the other images of its batch."""
    generator = torch.Generator().manual_seed(1)
    x, y = random_images(model.image, 5, generator), random_labels(model.image, 5, generator)
    alone = torch.cat([model(x[i : i + 1], None if y is None else y[i : i + 1]) for i in range(5)])
    together = model(x, y)
    worst = float((alone - together).abs().max() / together.abs().max())
    return judged("images apart", worst < 1e-10, f"batch against one by one differ by {worst:.1e}")


@torch.no_grad()
def check_labels_matter(model: AutoregressiveModel) -> Result:
    """Every label of a conditional model gives parameters of its own."""
    classes = model.image.classes
    assert classes is not None, "an unconditional model has no labels"
    model = copy.deepcopy(model)
    x = random_images(model.image, 1, torch.Generator().manual_seed(5)).repeat(classes, 1, 1, 1)
    told_apart = torch.zeros(classes - 1, dtype=torch.bool)
    for draw in range(QUIET_DRAWS):
        params = randomise(model, seed=draw)(x, torch.arange(classes))
        told_apart |= (params[1:] != params[:1]).flatten(1).any(dim=1)
    verb = "change" if told_apart.all() else "do not change"
    return judged("labels matter", bool(told_apart.all()), f"{classes} labels {verb} the parameters")


@torch.no_grad()
def check_rebuilt(model: AutoregressiveModel, rebuild: Callable[[], AutoregressiveModel]) -> Result:
    """Another model with the same weights gives the same parameters: nothing hides outside them."""
    generator = torch.Generator().manual_seed(3)
    other = rebuild()
    other.load_state_dict(model.state_dict())
    x, y = random_images(model.image, 3, generator), random_labels(model.image, 3, generator)
    same = torch.equal(model(x, y), other(x, y))
    return judged(
        "rebuilt", same, "the same weights give the same parameters" if same else "parameters differ"
    )
