"""What every architecture shares: the door that pixels come in by, and the checks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pixelcnn.config.run_spec import LARGEST_IMAGE
from pixelcnn.incremental.errors import NoForm, form_of
from pixelcnn.incremental.program import Program, Stream
from pixelcnn.incremental.schedules import Schedule
from pixelcnn.layers.base import coordinates, identity_reach
from pixelcnn.layers.weight_norm import normalised, start_from
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.system.errors import ConfigError, UserError

#: Blocks, channels and taps of a row, at most: what is more is a slip of the pen, and would never be built.
DEEPEST, WIDEST, LARGEST_KERNEL = 1000, 65_536, 2 * LARGEST_IMAGE - 1
#: Of dropout, the highest rate: at 1 nothing would be left.
MOST_DROPPED = 0.99
#: Pixels of an MNIST image, which is the usual one here.
USUAL_PIXELS = 28 * 28


@dataclass(frozen=True)
class ImageSpec:
    """The images that a model describes; `classes` is None for an unconditional model."""

    channels: int
    height: int
    width: int
    levels: int
    classes: int | None = None

    def at_once(self, usual: int) -> int:
        """How many images to work on together: `usual` up to 28x28, of larger ones so many fewer.

        Memory grows with the pixels of a batch, so these stay as many; one image at least.
        """
        return max(1, min(usual, usual * USUAL_PIXELS // (self.height * self.width)))


def require_odd(hyperparameters: Any, *keys: str) -> None:
    """Refuse even kernel sizes, which have no centre.

    Raises:
        ConfigError: naming the key.
    """
    for key in keys:
        if (value := getattr(hyperparameters, key)) % 2 == 0:
            raise ConfigError(f"{key}: must be odd, got {value}")


class AutoregressiveModel(nn.Module):
    """p(x) = prod_i p(x_i | earlier pixels), the parameters of every factor in one pass.

    An architecture is a module with a frozen dataclass `Hyperparameters` and one subclass of this
    class. Its `build` makes the network: a layer called as network(features, y), with `inputs` channels
    in and the `parameters_per_pixel` that the likelihood needs out. The likelihood is a part of the model, so
    its weights, if it has some, are among the model's.
    """

    #: Something to hold networks against rather than one of them. How such a one varies from seed to seed
    #: says nothing of networks, so the report keeps it out of the error that these are judged by.
    baseline = False
    #: What the images were drawn from, whose NLL no network is below but by chance: no competitor either.
    truth = False
    #: The likelihood that `auto` is, where the architecture has one of its own.
    likelihood_name: str | None = None
    #: The hyper-parameter that makes the network wider: `match_parameters` scales it. An architecture without
    #: one of that name has no width.
    width = "channels"

    def __init__(self, hyperparameters: Any, image: ImageSpec, likelihood: Likelihood) -> None:
        super().__init__()
        self.image = image
        self.likelihood = likelihood
        self.place = self.tells_place(hyperparameters)
        #: Channels at the door: the scaled pixels, a constant, and the row and column.
        self.inputs = image.channels + (3 if self.place else 1)
        self.network = self.build(hyperparameters)

    def tells_place(self, hyperparameters: Any) -> bool:
        """Whether the door tells row and column; an architecture may leave that to the user."""
        return True

    def build(self, hyperparameters: Any) -> nn.Module:
        """The network of this architecture."""
        raise NotImplementedError(f"{type(self).__name__} must define build()")

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Parameters for every pixel.

        Args:
            x: integer images [N, C, H, W] with values 0..levels-1.
            y: class labels int64 [N] for a conditional model, else None.

        Returns:
            [N, P, H, W]; those of a pixel depend on earlier pixels only.

        Raises:
            UserError: if the images have another shape or the labels do not fit the model.
        """
        self._check(x, y)
        params: Tensor = self.network(self.enter(x), y)
        return params

    def reach(self) -> Tensor:
        """Which pixels the parameters of each pixel can see, by the layers' taps: bool [H, W, H·W].

        Raises:
            UserError: if the network's layers do not state their reach; a BrokenForm if theirs fails.
        """
        name = type(self).__name__
        try:
            with form_of(f"{name}, the reach of its network"):
                seen = self.network(identity_reach(self.image.height, self.image.width), None)
        except NoForm as reason:
            raise UserError(f"{name}: the reach of its network is unknown: {reason}") from None
        sets: Tensor = seen.sets
        return sets

    def bind(self, schedule: Schedule, images: int, y: Tensor | None) -> tuple[Program, Stream]:
        """The network's incremental form, for a schedule and a number of images with labels `y`.

        Raises:
            NoForm: if a part of the network has none.
            BrokenForm: if a part of the network has one that fails.
        """
        program = Program(schedule, images, self._parameter)
        blank = torch.zeros(images, *self.image_shape, dtype=torch.long, device=self._parameter.device)
        source = program.source(self.inputs, lambda: self.enter(blank))
        with form_of(f"{type(self).__name__}, the incremental form of its network"):
            features = self.network(source, y)
        if not isinstance(features, Stream):
            raise NoForm(f"the network gives {type(features).__name__}, not features")
        if features.stride > 1:
            raise NoForm(f"the network gives features of every {features.stride} rows and columns")
        return program, features

    def begin(self, first_batch: Callable[[], tuple[Tensor, Tensor | None]]) -> None:
        """What a training does once, before its first step and before weights are averaged.

        A training that resumes does not. Here layers whose weight is normalised are scaled by the first
        batch; where there are none, nothing is done. Must draw nothing.

        Args:
            first_batch: gives the images int64 [N, C, H, W] of the first step, and their labels or None.
        """
        if any(normalised(self.network)):
            start_from(self, *first_batch())

    def scaled(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Integers 0..levels-1 as reals -1..1."""
        return x.to(dtype, copy=True).mul_(2 / (self.image.levels - 1)).sub_(1)

    def enter(self, x: Tensor) -> Tensor:
        """What the network reads: the scaled pixels, and what a pixel may know of its place.

        The constant tells an image from its zero padding (Salimans et al. 2017, their code). Row and
        column let a shallow network know how much of the image is still to come; PixelSNAIL (Chen
        et al. 2018) gives both to its network, too. They depend on no pixel, so they leak nothing.
        """
        scaled = self.scaled(x, self._parameter.dtype)
        entered = [scaled, torch.ones_like(scaled[:, :1])]
        if self.place:
            place = coordinates(x.shape[2], x.shape[3], scaled.dtype, scaled.device)
            entered.append(place.expand(len(x), -1, -1, -1))
        # Channels last in memory. (`contiguous` can make it so, too, but not where `vmap` stacks networks.)
        return torch.cat([part.permute(0, 2, 3, 1) for part in entered], dim=-1).permute(0, 3, 1, 2)

    @property
    def parameters_per_pixel(self) -> int:
        """P, what the likelihood needs."""
        return self.likelihood.parameters_per_pixel

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """C, H, W."""
        return self.image.channels, self.image.height, self.image.width

    @property
    def _parameter(self) -> Tensor:
        return next(self.network.parameters())

    def _check(self, x: Tensor, y: Tensor | None) -> None:
        expected = self.image_shape
        if x.ndim != 4 or x.shape[1:] != expected or x.is_floating_point():
            raise UserError(f"expected integer images [N, {expected}], got {x.dtype} {list(x.shape)}")
        if self.image.classes is None:
            if y is not None:
                raise UserError("labels were given to an unconditional model")
        elif y is None:
            raise UserError(f"a conditional model needs labels, int64 [N] in 0..{self.image.classes - 1}")
        elif y.shape != (len(x),):
            raise UserError(f"expected {len(x)} labels, one an image, got shape {list(y.shape)}")
