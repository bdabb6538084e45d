"""A trained model to score, sample and complete with."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelcnn.data.recipe import Recipe
from pixelcnn.evaluation.likelihoods import BATCH_SIZE
from pixelcnn.images.pictures import labels_for
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.sampling.api import sample
from pixelcnn.system import devices
from pixelcnn.system.errors import RunFailed, UserError
from pixelcnn.trained.files import Prior, read
from pixelcnn.trained.pictures import levels_in, read_back

#: Named parts of an image that are kept.
KEEP = ("upper", "left")
#: How often an image is completed.
TIMES = 4

#: Called with (finished images, all images).
OnProgress = Callable[[int, int], None]
#: One label for all, or one an image.
Labels = int | Sequence[int] | NDArray[np.integer[Any]]


def _quiet(done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Trained:
    """A trained model, with its averaged weights.

        import pixelcnn

        model = pixelcnn.load("results/mnist5k-14x14/mnist5k-14x14/gated/seed0")
        model.image                                # channels, height, width, levels, classes
        images = model.sample(16, seed=1)          # uint8 [16, C, H, W], values 0..levels-1
        nats = model.nats(images)                  # float64 [16], -log p(x)
        halves = model.complete(images[:2], n=4)   # uint8 [2, 4, C, H, W], the upper half as it was

    Images are integers [N, C, H, W] from 0 to levels-1, as the training images were after they were pooled
    and quantised. `images_of` makes them of pictures, whose brightness is 0..255, and `pictures_of` makes
    such of them. `prior` are the class frequencies of the training images, float64 [K], of a conditional
    model, None where they are not known.
    """

    checkpoint: Checkpoint
    prior: NDArray[np.float64] | None
    network: AutoregressiveModel
    likelihood: Likelihood

    @property
    def image(self) -> ImageSpec:
        """Shape, levels and classes; these are None for an unconditional model."""
        return self.network.image

    @property
    def dims(self) -> int:
        """C·H·W, the dimensions that bits/dim and perplexity are counted over."""
        return self.image.channels * self.image.height * self.image.width

    @functools.cached_property
    def recipe(self) -> Recipe:
        """How pictures become images."""
        image = self.image
        return Recipe.of(self.checkpoint.spec.dataset, image.channels, image.height, image.width)

    def images_of(self, pictures: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Cropped, averaged and quantised as the training images were: uint8 [N, C, H, W], 0..levels-1.

        `pictures` are integers [N, C, h, w] of brightness 0..255, in the size of the source's images or of
        the model's; where training cropped or resized, in any size that this takes. `recipe.said()` is what
        is done to them in words, and `recipe.read(files)` does it to files.

        Raises:
            UserError: if they do not fit, saying what was expected.
        """
        return self.recipe.images(pictures)

    def pictures_of(self, images: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """The brightness 0..255 that images show, of their shape; `images_of` gives them back.

        Raises:
            UserError: if they are no integers 0..levels-1.
        """
        levels = self.image.levels
        return read_back(levels_in(images, levels), levels, self.recipe.read_as())

    def nats(
        self,
        images: NDArray[np.integer[Any]],
        labels: Labels | None = None,
        *,
        batch_size: int | None = None,
    ) -> NDArray[np.float64]:
        """-log p(x) of each image, in nats: float64 [N].

        A conditional model gives -log p(x|y) where it is told the labels, and without them the
        label-marginalised -log sum_y p(y) p(x|y), which compares with unconditional models.

        Raises:
            UserError: if images or labels do not fit the model, or the class frequencies are not known.
            RunFailed: if a likelihood is NaN or infinite.
        """
        nats = self.nats_by_pixel(images, labels, batch_size=batch_size)
        per_image: NDArray[np.float64] = nats.sum(axis=(1, 2))
        return per_image

    @torch.inference_mode()
    def nats_by_pixel(
        self,
        images: NDArray[np.integer[Any]],
        labels: Labels | None = None,
        *,
        batch_size: int | None = None,
        on_progress: OnProgress = _quiet,
    ) -> NDArray[np.float64]:
        """What each pixel costs given the earlier ones, in nats, all its channels: float64 [N, H, W].

        Where a label is not told, given the earlier pixels alone, whatever the label; the sum is what `nats`
        gives. Raises what that raises.
        """
        x, y = self._images(images), self._labels(labels, len(images))
        if batch_size is not None and batch_size < 1:
            raise UserError(f"the batch size must be at least 1, got {batch_size}")
        prior = self._known_prior() if y is None and self.image.classes is not None else None
        devices.exact_float32()
        batch_size = batch_size or self.image.at_once(BATCH_SIZE)
        found = []
        for start in range(0, len(x), batch_size):
            part = x[start : start + batch_size].to(self._device).long()
            if prior is not None:
                found.append(self._marginal(part, prior))
            else:
                found.append(-self._log_prob(part, None if y is None else y[start : start + batch_size]))
            on_progress(min(start + batch_size, len(x)), len(x))
        nats: NDArray[np.float64] = torch.cat(found).numpy()
        if wrong := int((~np.isfinite(nats)).any(axis=(1, 2)).sum()):
            raise RunFailed(f"the likelihood of {wrong} of {len(nats)} images is NaN or infinite")
        return nats

    def sample(
        self,
        n: int,
        labels: Labels | None = None,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        batch_size: int | None = None,
        on_progress: OnProgress = _quiet,
    ) -> NDArray[np.uint8]:
        """Draw `n` images: uint8 [n, C, H, W], the same ones for the same seed.

        A conditional model goes through the labels given, or through all classes, again and again.

        Raises:
            UserError: if an argument does not fit the model.
        """
        y = self.drawn_labels(n, labels)
        drawn = self._sample(n, y, seed, temperature, batch_size, on_progress)
        return drawn.numpy()

    def drawn_labels(self, n: int, labels: Labels | None = None) -> Tensor | None:
        """The labels int64 [n] of what `sample` draws; None of an unconditional model."""
        given = None if labels is None else self._labels(labels, np.size(labels))
        return labels_for(n, self.image.classes, None if given is None else given.tolist())

    def complete(
        self,
        images: NDArray[np.integer[Any]],
        keep: str | NDArray[np.bool_] = "upper",
        n: int = TIMES,
        *,
        labels: Labels | None = None,
        seed: int = 0,
        temperature: float = 1.0,
        batch_size: int | None = None,
        on_progress: OnProgress = _quiet,
    ) -> NDArray[np.uint8]:
        """Draw the other pixels of each image `n` times: uint8 [N, n, C, H, W].

        `keep` says which pixels stay: the `upper` or `left` half, or True in bool [H, W]. Those that are
        drawn know what comes earlier in raster order (row by row from the upper left), kept or drawn; they do
        not know what is kept further on. A conditional model needs the labels.

        Raises:
            UserError: if an argument does not fit the model.
        """
        x, y = self._images(images), self._labels(labels, len(images))
        if y is None and self.image.classes is not None:
            raise UserError(f"a conditional model needs the label to complete, 0..{self.image.classes - 1}")
        if n < 1:
            raise UserError(f"expected one completion at least, got {n}")
        stays = torch.from_numpy(kept_pixels(keep, self.image))
        kept = torch.where(stays, x.long(), -1).repeat_interleave(n, dim=0)
        told = None if y is None else y.repeat_interleave(n)
        drawn = self._sample(len(x) * n, told, seed, temperature, batch_size, on_progress, kept)
        return drawn.view(len(x), n, *x.shape[1:]).numpy()

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _sample(
        self,
        n: int,
        y: Tensor | None,
        seed: int,
        temperature: float,
        batch_size: int | None,
        on_progress: OnProgress,
        kept: Tensor | None = None,
    ) -> Tensor:
        return sample(
            self.network,
            self.likelihood,
            n,
            seed=seed,
            y=y,
            kept=kept,
            temperature=temperature,
            batch_size=batch_size,
            on_progress=on_progress,
        )

    def _log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p of each pixel given the earlier ones: float64 [N, H, W] on the CPU."""
        y = None if y is None else y.to(x.device)
        return self.likelihood.log_prob(self.network(x, y), x).double().cpu()

    def _marginal(self, x: Tensor, prior: NDArray[np.float64]) -> Tensor:
        """-log p of each pixel given the earlier ones, the label summed out: float64 [N, H, W]."""
        # log p(y, x_1 ... x_i), summed over y, for every i: its differences are what each pixel costs.
        joint = [
            np.log(share) + self._log_prob(x, torch.full((len(x),), label)).flatten(1).cumsum(1)
            for label, share in enumerate(prior)
            if share > 0
        ]
        so_far = torch.stack(joint).logsumexp(0)
        return -so_far.diff(dim=1, prepend=torch.zeros(len(x), 1).double()).view(len(x), *x.shape[2:])

    def _known_prior(self) -> NDArray[np.float64]:
        if self.prior is None:
            raise UserError(
                f"{self.checkpoint.spec.name}: without a label, a conditional model needs the class "
                "frequencies of its training images, which a checkpoint alone does not have: give the label, "
                "the run's folder, or its model.safetensors, which `pixelcnn evaluate` writes"
            )
        return self.prior

    def _images(self, images: Any) -> Tensor:
        image, array = self.image, np.asarray(images)
        wanted = (image.channels, image.height, image.width)
        if array.ndim != 4 or array.shape[1:] != wanted or not len(array):
            raise UserError(f"images: expected shape [N, {str(wanted)[1:-1]}], got {list(array.shape)}")
        return torch.from_numpy(levels_in(array, image.levels))

    def _labels(self, labels: Labels | None, n: int) -> Tensor | None:
        """One label an image: int64 [n]."""
        if labels is None:
            return None
        if (classes := self.image.classes) is None:
            raise UserError("a label was given to an unconditional model")
        array = np.asarray(labels)
        array = np.full(n, array) if array.ndim == 0 else array
        if array.shape != (n,) or not n:
            raise UserError(f"labels: expected {n}, one an image, got shape {list(array.shape)}")
        if not np.issubdtype(array.dtype, np.integer) or array.min() < 0 or array.max() >= classes:
            raise UserError(
                f"labels: expected whole numbers 0..{classes - 1}, got {np.unique(array).tolist()}"
            )
        return torch.from_numpy(array.astype(np.int64))


def kept_pixels(keep: str | NDArray[np.bool_], image: ImageSpec) -> NDArray[np.bool_]:
    """Which pixels stay: bool [H, W].

    Raises:
        UserError: if it is neither one of `KEEP` nor such an array, or leaves nothing to be drawn.
    """
    size = (image.height, image.width)
    if isinstance(keep, str):
        if keep not in KEEP:
            raise UserError(f"keep: expected {', '.join(KEEP)} or a mask, got {keep!r}")
        mask = np.zeros(size, bool)
        mask[
            : image.height // 2 if keep == "upper" else None, : image.width // 2 if keep == "left" else None
        ] = 1
    else:
        mask = np.asarray(keep)
        if mask.dtype != bool or mask.shape != size:
            raise UserError(f"keep: expected bool {list(size)}, got {mask.dtype} {list(mask.shape)}")
    if mask.all():
        raise UserError("keep: every pixel is kept, there is nothing to draw")
    return mask


def load(path: str | Path, device: str = "auto") -> Trained:
    """A trained model from its checkpoint, its exported file, its run's folder, or a folder of MLflow's.

    device: `auto`, which takes a GPU if there is one, `cpu`, `cuda`, or one of several, as `cuda:1`.

    Raises:
        UserError: if there is no model, it is damaged, its own code is not here, or there is no such device.
    """
    return build(*read(Path(path)), device)


def build(checkpoint: Checkpoint, prior: Prior | None, device: str) -> Trained:
    """What `load` gives, of what `files.read` gives.

    Raises:
        UserError: if the weights do not fit the code that is here, or there is no such device.
    """
    chosen = choose_device(device)
    network, likelihood = checkpoint.model()
    return Trained(checkpoint, prior, network.to(chosen), likelihood)


def choose_device(wanted: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as for every command; or a certain GPU.

    Raises:
        UserError: if there is none, or it is no such name.
    """
    if wanted in ("auto", "cpu", "cuda"):
        return devices.choose_device(wanted)
    if not re.fullmatch(r"cuda:[0-9]+", wanted):
        raise UserError(f"device: expected auto, cpu, cuda, or a GPU such as cuda:1; got {wanted!r}")
    if (device := torch.device(wanted)).index >= (found := torch.cuda.device_count()):
        raise UserError(f"device: {wanted} was asked for, but torch finds {found} GPUs")
    return device
