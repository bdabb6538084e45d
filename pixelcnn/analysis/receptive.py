"""What the centre pixel sees: what can reach it at all, and how much of that a trained model uses.

Both are measured by gradients of the centre's parameters with respect to the pixels, taken behind the
door of the model, where pixels are reals: for the one with random weights, for the other with trained ones.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelcnn.data.contract import Split
from pixelcnn.invariants.leaks import QUIET_DRAWS, ROUNDING, redrawn
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.system.errors import RunFailed
from pixelcnn.system.seeding import pixel_noise

#: The share of the influence that `effective_pixels` hold.
SHARE = 0.95
#: Random images with each draw of random weights, test images in memory at once (of large ones fewer), and
#: values that are drawn for the centre of each test image.
RANDOM_IMAGES, BATCH_SIZE, VALUES = 4, 64, 8


@dataclass(frozen=True)
class ReceptiveField:
    """Which pixels reach the centre, bool [H, W], and their influence there, float64 [H, W] of sum 1.

    The influence is zero everywhere if no pixel has any.
    """

    reach: NDArray[np.bool_]
    effective: NDArray[np.float64]

    @property
    def centre(self) -> tuple[int, int]:
        """Row and column of the pixel that this is the field of."""
        height, width = self.reach.shape
        return height // 2, width // 2

    @property
    def earlier_pixels(self) -> int:
        """How many pixels come before the centre in raster order."""
        row, column = self.centre
        return int(row * self.reach.shape[1] + column)

    @property
    def reach_pixels(self) -> int:
        """How many pixels can influence the centre."""
        return int(self.reach.sum())

    @property
    def leak(self) -> tuple[int, int] | None:
        """Row and column of a pixel with an influence that does not come before the centre, or None."""
        seen = self.reach | (self.effective > ROUNDING * self.effective.max())
        for row, column in np.argwhere(seen):
            if (row, column) >= self.centre:
                return int(row), int(column)
        return None

    @property
    def effective_pixels(self) -> int:
        """The smallest number of pixels that together have `SHARE` of the influence."""
        if not self.effective.any():
            return 0
        largest_first = np.sort(self.effective, axis=None)[::-1].cumsum()
        return int(np.searchsorted(largest_first, SHARE * largest_first[-1])) + 1

    @property
    def effective_radius(self) -> float:
        """Root mean square distance of the influence from the centre, in pixels."""
        (rows, columns), (row, column) = np.indices(self.effective.shape), self.centre
        squares = (rows - row) ** 2 + (columns - column) ** 2
        return float(np.sqrt((self.effective * squares).sum()))


def receptive_field(model: AutoregressiveModel, test: Split, images: int) -> ReceptiveField:
    """The receptive field of a model's centre, the effective one over the first `images` test images.

    Raises:
        RunFailed: if the centre sees itself or a later pixel: then its likelihoods are none.
    """
    field = ReceptiveField(reach(model).numpy(), effective(model, test.part(slice(images))).numpy())
    leak = field.leak
    if leak is not None:
        (row, column), (centre_row, centre_column) = leak, field.centre
        raise RunFailed(
            f"the network leaks: pixel ({row}, {column}) changes the parameters of the centre, pixel "
            f"({centre_row}, {centre_column}), not after it; its likelihoods are none"
        )
    return field


def reach(model: AutoregressiveModel) -> Tensor:
    """Which pixels influence the centre's parameters for any weights and images that were tried: bool [H, W].

    Weights are drawn as for the invariants, in float64, and anew until nothing more shows up: a ReLU may
    hide an influence in one draw.
    """
    model = copy.deepcopy(model).cpu()
    seen = torch.zeros(model.image_shape[1:], dtype=torch.bool)
    draw = quiet = 0
    while quiet < QUIET_DRAWS:
        more = seen | _reach_once(redrawn(model, draw), draw)
        quiet = quiet + 1 if torch.equal(more, seen) else 0
        seen, draw = more, draw + 1
    return seen


def _reach_once(model: AutoregressiveModel, seed: int) -> Tensor:
    image, n = model.image, RANDOM_IMAGES
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, image.levels, (n, *model.image_shape), generator=generator)
    y = None if image.classes is None else torch.randint(0, image.classes, (n,), generator=generator)
    entered = model.enter(x).requires_grad_()
    params = _at_centre(model.network(entered, y), image)
    # A random sum, lest the influences on two parameters cancel.
    weights = torch.randn(params.shape, generator=generator, dtype=params.dtype)
    slopes = _slopes((params * weights).sum(), entered, image).abs().amax(dim=(0, 1))
    return slopes > ROUNDING * slopes.max()


def effective(model: AutoregressiveModel, split: Split) -> Tensor:
    """The effective receptive field of the centre: the share of each pixel in its influence, float64 [H, W].

    After Luo et al. 2016, "Understanding the Effective Receptive Field in Deep CNNs": the slope of the
    centre with respect to each pixel, over data. They take the slope of a feature; here the
    centre is a distribution, and its slope is measured by the Fisher information: the root of the mean,
    over images and over values v drawn from the model, of (d log p(v) / d pixel)^2. So
    it does not depend on how a likelihood writes its parameters (a constant added to all logits changes
    nothing). In float64, where what has no influence has a slope of exactly zero.
    """
    model = copy.deepcopy(model).double().eval()
    device = next(model.parameters()).device
    squares = torch.zeros(model.image_shape[1:], dtype=torch.float64)
    batch_size = model.image.at_once(BATCH_SIZE)
    for start in range(0, len(split.images), batch_size):
        part = slice(start, start + batch_size)
        x = torch.from_numpy(split.images[part]).to(device).long()
        labels = split.labels if model.image.classes is not None else None
        y = None if labels is None else torch.from_numpy(labels[part]).to(device)
        squares += _squared_slopes(model, x, y, start)
    influence = squares.sqrt()
    return influence / influence.sum() if influence.any() else influence


def _squared_slopes(model: AutoregressiveModel, x: Tensor, y: Tensor | None, first: int) -> Tensor:
    """Sum over images and drawn values of (d log p(v) / d pixel)^2: float64 [H, W] on the CPU."""
    image, likelihood = model.image, model.likelihood
    entered = model.enter(x).requires_grad_()
    params = _at_centre(model.network(entered, y), image)
    total = torch.zeros(x.shape[2:], dtype=torch.float64)
    for draw in range(VALUES):
        noise = pixel_noise(draw, first, len(x), (image.channels, 1, 1)).to(x.device)
        log_p = likelihood.log_prob(params, likelihood.sample(params.detach(), noise)).sum()
        total += _slopes(log_p, entered, image).square().sum(dim=(0, 1)).cpu()
    return total


def _at_centre(params: Tensor, image: ImageSpec) -> Tensor:
    """Of parameters [N, P, H, W] those of the centre, [N, P, 1, 1]: of images of one pixel."""
    row, column = image.height // 2, image.width // 2
    return params[:, :, row : row + 1, column : column + 1]


def _slopes(value: Tensor, entered: Tensor, image: ImageSpec) -> Tensor:
    """d value / d pixel: [N, C, H, W]; zero for a network that never looks at its input."""
    if not value.requires_grad:  # nor has it weights that are trained
        return torch.zeros_like(entered[:, : image.channels])
    (slopes,) = torch.autograd.grad(value, entered, retain_graph=True, materialize_grads=True)
    return slopes[:, : image.channels]
