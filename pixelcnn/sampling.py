"""The reference sampler: exact, simple, and one full forward pass a pixel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pixelcnn.errors import UserError
from pixelcnn.generators import pixel_noise
from pixelcnn.likelihoods import Likelihood
from pixelcnn.models.base import AutoregressiveModel


@torch.no_grad()
def sample(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    n: int,
    *,
    seed: int,
    y: Tensor | None = None,
    on_row: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Draw `n` images pixel by pixel: uint8 [n, C, H, W] on the CPU.

    The noise of a pixel is keyed by (seed, image, pixel), so an image does not depend on how many
    are drawn beside it. Integers are fed back, exactly what the model was trained on. `on_row` is
    called with (finished rows, all rows).

    Raises:
        UserError: if n is below 1 or the labels `y` int64 [n] do not fit the model.
    """
    image = model.image
    _check(n, y, image.classes)
    device = next(model.parameters()).device
    noise = pixel_noise(seed, 0, n, (image.channels, image.height, image.width)).to(device)
    labels = None if y is None else y.to(device)
    x = torch.zeros(noise.shape, dtype=torch.long, device=device)
    was_training = model.training
    model.eval()
    for row in range(image.height):
        for column in range(image.width):
            drawn = likelihood.sample(model(x, labels), noise)
            x[:, :, row, column] = drawn[:, :, row, column]
        on_row(row + 1, image.height)
    model.train(was_training)
    return x.to(torch.uint8).cpu()


def _check(n: int, y: Tensor | None, classes: int | None) -> None:
    if n < 1:
        raise UserError(f"the number of samples must be at least 1, got {n}")
    if y is None or classes is None:
        return  # the model itself refuses labels that are missing or not wanted
    if len(y) != n:
        raise UserError(f"expected {n} labels, one a sample, got {len(y)}")
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise UserError(f"labels must lie in 0..{classes - 1}, got {int(y.min())}..{int(y.max())}")
