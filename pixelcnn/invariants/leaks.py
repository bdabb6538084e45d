"""Which pixels change the parameters of which, measured; and that none changes its own or earlier ones.

Knows nothing of reach, incremental forms or samplers: it only changes pixels and looks at parameters.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from pixelcnn.invariants.results import Result, judged
from pixelcnn.models.base import AutoregressiveModel, ImageSpec

#: Changes below this share of the largest parameter are rounding, not influence.
ROUNDING = 1e-13
#: Random weights and images to look at: a ReLU may hide an influence in one draw of them. Looking
#: ends when this many draws have shown nothing new.
QUIET_DRAWS = 6


#: Of random weights, over the root of their fan-in; and in every second draw that looks for influences: under
#: large weights attention sees hardly more than one pixel.
SCALE, SMALLER_SCALE = 1.5, 0.5


def randomise(model: AutoregressiveModel, seed: int = 0, scale: float = SCALE) -> AutoregressiveModel:
    """The model in float64 and evaluation mode with every weight random, scaled by its fan-in."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            fan_in = weight[0].numel() if weight.ndim > 1 and len(weight) else 1
            noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            weight.copy_(noise * scale / math.sqrt(fan_in))
    return model


def redrawn(model: AutoregressiveModel, draw: int) -> AutoregressiveModel:
    """The model with the weights of one of several draws that together are to show every influence."""
    return randomise(model, seed=draw, scale=SMALLER_SCALE if draw % 2 else SCALE)


def influence(model: AutoregressiveModel) -> Tensor:
    """Which pixels change the parameters of which, by any of their channels: bool [H·W, H·W]."""
    return influences(model).any(dim=0)


@torch.no_grad()
def influences(model: AutoregressiveModel) -> Tensor:
    """Which pixels change the parameters of which by which channel, measured: bool [C, H·W, H·W].

    Entry [c, i, j] says that changing channel c of pixel j alone changed a parameter at pixel i, for any of
    some draws of weights and images.
    """
    model = copy.deepcopy(model)
    image = model.image
    pixels = image.height * image.width
    result = torch.zeros(image.channels, pixels, pixels, dtype=torch.bool)
    draw = quiet = 0
    while quiet < QUIET_DRAWS:
        seen = result | _influence_once(redrawn(model, draw), draw)
        quiet = quiet + 1 if torch.equal(seen, result) else 0
        result, draw = seen, draw + 1
    return result


def _influence_once(model: AutoregressiveModel, seed: int) -> Tensor:
    image = model.image
    generator = torch.Generator().manual_seed(seed)
    x, y = random_images(image, 1, generator), random_labels(image, 1, generator)
    values = x[0].numel()
    changed = x.repeat(values + 1, 1, 1, 1).flatten(1)
    index = torch.arange(values)
    step = torch.randint(1, image.levels, (values,), generator=generator)
    changed[index + 1, index] = (changed[index + 1, index] + step) % image.levels
    params = model(changed.reshape(-1, *x.shape[1:]), None if y is None else y.repeat(values + 1))
    difference = (params[1:] - params[:1]).abs().amax(dim=1).flatten(1)  # [channel and pixel j, pixel i]
    moved: Tensor = difference > ROUNDING * params.abs().max()
    by_channel: Tensor = moved.unflatten(0, (image.channels, -1)).mT
    return by_channel


def check_no_leak(model: AutoregressiveModel) -> Result:
    """Changing any channel of pixel j changes no parameter at any pixel i <= j."""
    leaks = influence(model).triu()
    if leaks.any():
        i, j = (int(k) for k in leaks.nonzero()[0])
        detail = f"pixel {place(model, j)} changes the parameters of pixel {place(model, i)}, not after it"
        return judged("no leak", False, f"{int(leaks.sum())} pairs, such as: {detail}")
    return judged("no leak", True, "no pixel changes the parameters of itself or of an earlier one")


def random_images(image: ImageSpec, n: int, generator: torch.Generator) -> Tensor:
    """Integer images [n, C, H, W]."""
    shape = (n, image.channels, image.height, image.width)
    return torch.randint(0, image.levels, shape, generator=generator)


def random_labels(image: ImageSpec, n: int, generator: torch.Generator) -> Tensor | None:
    """Labels int64 [n]; None for an unconditional model."""
    return None if image.classes is None else torch.randint(0, image.classes, (n,), generator=generator)


def place(model: AutoregressiveModel, pixel: int) -> tuple[int, int]:
    """Row and column of a pixel by its number in raster order."""
    return divmod(pixel, model.image.width)
