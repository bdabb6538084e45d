"""Drawing images from a model: up to rounding the same ones whatever the sampler, batch size, device."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from pixelcnn.config.benchmark import TEMPERATURES
from pixelcnn.incremental.errors import NoForm
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.sampling.fast import FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.sampling.request import Drawn, Request, Sampler
from pixelcnn.system import devices
from pixelcnn.system.errors import UserError
from pixelcnn.system.seeding import pixel_noise

__all__ = ["Drawn", "FastSampler", "ReferenceSampler", "Request", "Sampler", "make_sampler", "sample"]

#: Images drawn together unless told otherwise: more gain little speed and cost memory. Of large ones fewer,
#: see `ImageSpec.at_once`.
BATCH_SIZE = 256


def make_sampler(model: AutoregressiveModel, likelihood: Likelihood) -> Sampler:
    """The fast sampler, or with one warning the reference sampler for a network that allows no other."""
    try:
        return FastSampler(model, likelihood)
    except NoForm as reason:
        warnings.warn(
            f"{type(model).__name__} is sampled with a full pass for every pixel, which is slow: {reason}",
            stacklevel=2,
        )
        return ReferenceSampler(model, likelihood)


def sample(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    n: int,
    *,
    seed: int,
    y: Tensor | None = None,
    given: Tensor | None = None,
    kept: Tensor | None = None,
    temperature: float = 1.0,
    batch_size: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Draw `n` images: uint8 [n, C, H, W] on the CPU.

    The noise of a pixel is keyed by (seed, image, pixel), so an image does not depend on how many are
    drawn, nor on the batches that they are drawn in. (In float32 the sums of another batch size may be
    rounded otherwise, and a pixel whose noise lies within that of its probability comes out differently.)

    Args:
        y: class labels int64 [n] for a conditional model.
        given: integers [n, C, rows, W], the upper rows of the images, to be kept and completed.
        kept: integers [n, C, H, W], pixels to keep wherever they are, all channels of them, and -1 where
            one is drawn. What is drawn knows the pixels that come earlier in raster order, not those kept
            further on.
        temperature: divides the logits, within `TEMPERATURES`; 1 is the model's own distribution.
        batch_size: images drawn together, which bounds the memory; None: by the size of the images.
        on_progress: called with (finished images, all images).

    Raises:
        UserError: if an argument does not fit the model, naming it; a BrokenForm if the incremental form
            of one of its layers fails.
    """
    image = model.image
    batch_size = image.at_once(BATCH_SIZE) if batch_size is None else batch_size
    _check(n, temperature, batch_size)
    _check_labels(n, y, image.classes)
    given = torch.zeros(n, image.channels, 0, image.width, dtype=torch.long) if given is None else given
    _check_given(n, given, image)
    if kept is not None:
        _check_kept(n, kept, image)
    devices.exact_float32()
    was_training = model.training
    model.eval()
    try:
        sampler = make_sampler(model, likelihood)
        batches = []
        for start in range(0, n, batch_size):
            count = min(batch_size, n - start)
            part = slice(start, start + count)
            request = _request(model, seed, part, y, given, kept, temperature)

            def on_step(done: int, total: int, start: int = start, count: int = count) -> None:
                on_progress(start + count * done // total, n)

            batches.append(sampler.draw(request, on_step).images.to(torch.uint8).cpu())
    finally:
        model.train(was_training)
    return torch.cat(batches)


def _request(
    model: AutoregressiveModel,
    seed: int,
    part: slice,
    y: Tensor | None,
    given: Tensor,
    kept: Tensor | None,
    temperature: float,
) -> Request:
    """That of a part of all images."""
    device = next(model.parameters()).device
    return Request(
        noise=pixel_noise(seed, part.start, part.stop - part.start, model.image_shape).to(device),
        labels=None if y is None else y[part].to(device),
        given=given[part].long().to(device),
        temperature=temperature,
        kept=None if kept is None else kept[part].long().to(device),
    )


def _check(n: int, temperature: float, batch_size: int) -> None:
    if n < 1:
        raise UserError(f"the number of samples must be at least 1, got {n}")
    low, high = TEMPERATURES
    if not low <= temperature <= high:
        raise UserError(f"the temperature must lie between {low:g} and {high:g}, got {temperature}")
    if batch_size < 1:
        raise UserError(f"the batch size must be at least 1, got {batch_size}")


def _check_labels(n: int, y: Tensor | None, classes: int | None) -> None:
    if classes is None:
        if y is not None:
            raise UserError("labels were given to an unconditional model")
    elif y is None:
        raise UserError(f"a conditional model needs labels, one of 0..{classes - 1} for each sample")
    elif y.shape != (n,):
        raise UserError(f"expected {n} labels, one a sample, got shape {list(y.shape)}")
    elif int(y.min()) < 0 or int(y.max()) >= classes:
        raise UserError(f"labels must lie in 0..{classes - 1}, got {int(y.min())}..{int(y.max())}")


def _check_given(n: int, given: Tensor, image: ImageSpec) -> None:
    wanted = f"[{n}, {image.channels}, rows up to {image.height}, {image.width}]"
    fits = given.ndim == 4 and given.shape[2] <= image.height
    if not fits or given.shape[:2] != (n, image.channels) or given.shape[3] != image.width:
        raise UserError(f"images to complete: expected shape {wanted}, got {list(given.shape)}")
    if given.is_floating_point():
        raise UserError(f"images to complete: expected integers 0..{image.levels - 1}, got {given.dtype}")
    if given.numel() and (int(given.min()) < 0 or int(given.max()) >= image.levels):
        found = f"{int(given.min())}..{int(given.max())}"
        raise UserError(f"images to complete: the model knows levels 0..{image.levels - 1}, got {found}")


def _check_kept(n: int, kept: Tensor, image: ImageSpec) -> None:
    wanted = [n, image.channels, image.height, image.width]
    if list(kept.shape) != wanted or kept.is_floating_point():
        raise UserError(f"pixels to keep: expected integers {wanted}, got {kept.dtype} {list(kept.shape)}")
    if int(kept.min()) < -1 or int(kept.max()) >= image.levels:
        found = f"{int(kept.min())}..{int(kept.max())}"
        raise UserError(f"pixels to keep: expected -1 or levels 0..{image.levels - 1}, got {found}")
    if bool(((kept < 0).any(dim=1) != (kept < 0).all(dim=1)).any()):
        raise UserError("pixels to keep: some are kept in one channel and drawn in another")
