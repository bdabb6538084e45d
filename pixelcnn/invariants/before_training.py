"""That a network does not leak at the size, levels and classes of its run: cheap enough for every training.

`leaks` changes each pixel by itself, which takes a pass over as many images as an image has pixels. Here all
pixels from a cut on change at once: no parameter up to the cut may, whichever pixel would be the one that
leaks. In training mode, too, where other layers work (dropout, batch statistics): every pass begins from the
same states of torch's generators and, in training mode, where a layer may note what it saw, from the same
weights and buffers. So what a layer draws or notes there is no leak.
"""

from __future__ import annotations

import copy
import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pixelcnn.invariants.leaks import ROUNDING, place, random_images, random_labels, randomise
from pixelcnn.invariants.results import Result, judged, told
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.system import devices
from pixelcnn.system.errors import RunFailed, UserError

#: How the check is called.
BOTH_MODES = "no leak, training and evaluation mode"
#: Draws of random weights: a ReLU may hide an influence in one of them.
DRAWS = 2
#: Cuts for each draw and mode beside the ends of rows; and pixels, by which large images have fewer.
FEWEST_CUTS, MOST_CUTS, PIXELS = 16, 48, 25_000
#: Images in a pass; and pixels, by which there are fewer large ones, which bounds the memory.
MOST_IMAGES, PIXELS_OF_A_PASS = 8, 8192


def prove_no_leak(model: AutoregressiveModel) -> None:
    """Prove a network before its first step; it, and what torch's generators draw next, stay as they are.

    Raises:
        RunFailed: if it leaks, or cannot be proved, with what was seen; or if memory runs out.
    """
    try:
        with devices.out_of_memory("the look for leaks needs some for a few images in float64"):
            try:
                found = find_leak(model)
            except torch.OutOfMemoryError:  # of a GPU, where attention in float64 takes more than in training
                found = find_leak(copy.deepcopy(model).cpu())
    except UserError:
        raise
    except Exception as error:  # a user's layer may raise anything
        raise RunFailed(
            f"the network fails before its first step, with random weights in float64: {told(error)}"
        ) from error
    if found is not None:
        raise RunFailed(f"the network leaks, so it is not trained: {found}")


def check_both_modes(model: AutoregressiveModel) -> Result:
    """The same as a check, with one draw of weights."""
    found = find_leak(model, draws=1)
    return judged(BOTH_MODES, found is None, found or "no pixel changes what it must not, nor another image")


@torch.no_grad()
def find_leak(model: AutoregressiveModel, draws: int = DRAWS) -> str | None:
    """What changes parameters and must not, in evaluation or in training mode; None if nothing was found."""
    image, device = model.image, next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for draw, training in itertools.product(range(draws), (False, True)):
            passes = Passes(_random_weights(model, draw, device).train(training), device)
            generator = torch.Generator().manual_seed(2 * draw + training)
            found = _between_images(passes, generator) or _between_pixels(passes, generator)
            if found is not None:
                mode = "training" if training else "evaluation"
                return f"{found} ({mode} mode, {image.height}x{image.width}, {image.levels} levels)"
    return None


def _random_weights(model: AutoregressiveModel, draw: int, device: torch.device) -> AutoregressiveModel:
    """A copy of the model in float64 with other weights, near its own if it takes no others."""
    network = randomise(copy.deepcopy(model), seed=draw)
    x, y = _batch(model.image, 2, torch.Generator().manual_seed(draw))
    try:
        Passes(network, device)(x, y)
    except RunFailed:
        for own, weight in zip(model.parameters(), network.parameters(), strict=True):
            weight.mul_(0.1).add_(own)
    return network


@dataclass(frozen=True)
class Passes:
    """Passes of a network, each as if it were the first; in evaluation mode none may change the next."""

    model: AutoregressiveModel
    device: torch.device

    def __call__(self, x: Tensor, y: Tensor | None) -> Tensor:
        model = copy.deepcopy(self.model) if self.model.training else self.model
        torch.manual_seed(0)
        params: Tensor = model(x.to(self.device), None if y is None else y.to(self.device)).cpu()
        if params.isnan().any():
            raise RunFailed("with random weights the parameters are not numbers, so that no leak can be seen")
        return params

    @property
    def images(self) -> int:
        """How many go through the network at once."""
        image = self.model.image
        return max(2, min(MOST_IMAGES, PIXELS_OF_A_PASS // (image.height * image.width)))


def _batch(image: ImageSpec, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
    return random_images(image, n, generator), random_labels(image, n, generator)


def _moved(before: Tensor, after: Tensor, where: Tensor) -> Tensor:
    """Which pixels of those asked for have other parameters, by more than rounding: bool [N, H, W]."""
    moved = (before != after).any(dim=1) & where
    if moved.any():
        difference = (before - after).abs().masked_fill(before == after, 0)  # infinite ones may be equal
        scale = before[before.isfinite()].abs().max() if before.isfinite().any() else 0
        moved &= ~(difference <= ROUNDING * scale).all(dim=1)
    return moved


def _between_images(passes: Passes, generator: torch.Generator) -> str | None:
    """Other images in one half of a batch, with other labels, change nothing in its other half."""
    image, n = passes.model.image, min(4, passes.images)
    (x, y), (others, labels) = _batch(image, n, generator), _batch(image, n, generator)
    before, everywhere = passes(x, y), torch.ones(image.height, image.width, dtype=torch.bool)
    if _moved(before, passes(x, y), everywhere).any():
        raise RunFailed(
            "the network gives other parameters in a second pass over the same images, so that no leak can "
            "be seen: what layers draw must come from torch's own generators, and in evaluation mode they "
            "keep nothing from pass to pass"
        )
    first = torch.arange(n) < n // 2
    for changed in (first, ~first):
        after = passes(
            torch.where(changed[:, None, None, None], others, x),
            None if y is None or labels is None else torch.where(changed, labels, y),
        )
        if _moved(before, after, everywhere)[~changed].any():
            return "parameters change with the other images of the batch, as under batch normalisation,"
    return None


def _between_pixels(passes: Passes, generator: torch.Generator) -> str | None:
    """Pixels from a cut on change no parameter up to it: another cut for each image of a batch."""
    image = passes.model.image
    for cuts in cuts_of(image, generator).split(passes.images):
        x, others = _pair(image, len(cuts), generator)
        y = random_labels(image, len(cuts), generator)
        batch = Cut(passes, cuts, x, others, y, passes(x, y))
        leaks = batch.moved(cuts).nonzero()
        if len(leaks):
            i, seeing = (int(k) for k in leaks[0])
            by, of = place(passes.model, batch.seen_by(i, seeing)), place(passes.model, seeing)
            return f"pixel {by} changes the parameters of pixel {of}, not after it"
    return None


@dataclass(frozen=True)
class Cut:
    """Images `x` with a cut each, what their pixels may be changed to, and their parameters unchanged."""

    passes: Passes
    cuts: Tensor
    x: Tensor
    others: Tensor
    y: Tensor | None
    before: Tensor

    def moved(self, starts: Tensor) -> Tensor:
        """With all pixels from these on changed: which pixels up to the cuts move, bool [N, H·W]."""
        n, _, height, width = self.x.shape
        pixels = torch.arange(height * width)
        later = (pixels >= starts[:, None]).view(n, 1, height, width)
        after = self.passes(torch.where(later, self.others, self.x), self.y)
        until = (pixels <= self.cuts[:, None]).view(n, height, width)
        return _moved(self.before, after, until).flatten(1)

    def seen_by(self, i: int, pixel: int) -> int:
        """A pixel from the cut on that moves one of image i: with it and all later ones it moves."""
        starts, low, high = self.cuts.clone(), int(self.cuts[i]), self.x[i, 0].numel()
        while high - low > 1:
            middle = (low + high) // 2
            starts[i] = middle
            low, high = (middle, high) if self.moved(starts)[i, pixel] else (low, middle)
        return low


def cuts_of(image: ImageSpec, generator: torch.Generator) -> Tensor:
    """Pixels to cut at: all of a small image, else ends of rows, and others from all rows and columns."""
    height, width = image.height, image.width
    pixels = height * width
    count = min(MOST_CUTS, max(FEWEST_CUTS, PIXELS // pixels))
    if pixels <= count:
        return torch.arange(pixels)
    rows, columns = (_in_turn(size, count, generator) for size in (height, width))
    first, last = rows[: count // 8] * width, rows[-(count // 8) :] * width + width - 1
    return torch.cat([torch.tensor([0, pixels - 1]), first, last, rows * width + columns])


def _in_turn(size: int, count: int, generator: torch.Generator) -> Tensor:
    """0..size-1 in a random order, again and again: int64 [count]."""
    rounds = math.ceil(count / size)
    return torch.cat([torch.randperm(size, generator=generator) for _ in range(rounds)])[:count]


def _pair(image: ImageSpec, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images [n, C, H, W] and others that differ in every pixel; a third has only the ends of the levels."""
    x, last = random_images(image, n, generator), image.levels - 1
    step = torch.randint(1, image.levels, x.shape, generator=generator)
    ends = (x > last // 2) * last
    third = (torch.arange(n) % 3 == 0)[:, None, None, None]
    return torch.where(third, ends, x), torch.where(third, last - ends, (x + step) % image.levels)
