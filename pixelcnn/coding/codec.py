"""Images to words of an entropy coder and back, by a model's probabilities.

Both directions draw the same batches, of the same shapes, by the same operations in the same order, and
differ only in where a level comes from: so the floats that they compute are the same, too, on one machine, by
design and not by luck. (A full pass over known images would be faster for an encoder, and its sums are
rounded otherwise.) What must be the same on another machine says `identity`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelcnn.coding.choosers import Chooser, Noting, Reading
from pixelcnn.coding.entropy import stack
from pixelcnn.incremental.errors import NoForm
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.sampling.fast import FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.sampling.request import OnStep, Request, Sampler

#: Images coded together, at most, and probabilities that an encoder holds until a batch is done.
BATCH_SIZE, MOST_PROBABILITIES = 256, 2**26

Words = NDArray[np.uint32]
#: Called with (finished images, all images).
OnProgress = Callable[[int, int], None]


def encode(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    images: Tensor,
    labels: Tensor | None,
    on_progress: OnProgress = lambda done, total: None,
) -> Words:
    """The words of images int64 [N, C, H, W], given their labels int64 [N] (None if unconditional).

    Raises:
        RunFailed: if a probability is NaN or infinite.
        BrokenForm: if the incremental form of a layer fails.
    """
    coder, noting = stack(), Noting(likelihood)
    sampler = sampler_for(model, noting)
    # The last batch first, for what is pushed last comes out first.
    for part in reversed([*parts(len(images), model.image)]):
        on_step = _counting(len(images) - part.stop, part.stop - part.start, len(images), on_progress)
        _draw(sampler, images[part], _of(labels, part), on_step)
        noting.encode(coder)
    words: Words = coder.get_compressed()
    return words


def decode(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    words: Words,
    n: int,
    labels: Tensor | None,
    on_progress: OnProgress = lambda done, total: None,
) -> Tensor:
    """The `n` images int64 [n, C, H, W] of these words; any images at all, if they are of another model.

    Raises what `encode` raises.
    """
    sampler = sampler_for(model, Reading(likelihood, stack(words)))
    found = []
    for part in parts(n, model.image):
        count = part.stop - part.start
        unknown = torch.zeros(count, *model.image_shape, dtype=torch.long)
        on_step = _counting(part.start, count, n, on_progress)
        found.append(_draw(sampler, unknown, _of(labels, part), on_step))
    return torch.cat(found)


def sampler_for(model: AutoregressiveModel, chooser: Chooser) -> Sampler:
    """What computes each pixel once; with a warning a full pass a pixel, where a network allows no other."""
    try:
        return FastSampler(model, chooser, guesses=False)
    except NoForm as reason:
        warnings.warn(
            f"{type(model).__name__} is coded with a full pass for every pixel, which is slow: {reason}",
            stacklevel=3,
        )
        return ReferenceSampler(model, chooser)


def parts(n: int, image: ImageSpec) -> Iterator[slice]:
    """Which images are coded together: the same in both directions, since only their number decides."""
    probabilities = image.channels * image.height * image.width * image.levels
    size = max(1, min(image.at_once(BATCH_SIZE), MOST_PROBABILITIES // probabilities))
    yield from (slice(start, min(start + size, n)) for start in range(0, n, size))


def _draw(sampler: Sampler, known: Tensor, labels: Tensor | None, on_step: OnStep) -> Tensor:
    # Levels in the place of noise, see `choosers`: float64 holds them exactly.
    return sampler.draw(Request(known.double(), labels, known[:, :, :0]), on_step).images.clone()


def _counting(before: int, count: int, n: int, on_progress: OnProgress) -> OnStep:
    """Tells steps of a batch as images."""
    return lambda done, total: on_progress(before + count * done // total, n)


def _of(labels: Tensor | None, part: slice) -> Tensor | None:
    return None if labels is None else labels[part]
