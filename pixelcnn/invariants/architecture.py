"""Every check, for an architecture by its name or file."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.invariants.before_training import BOTH_MODES, check_both_modes
from pixelcnn.invariants.coverage import check_coverage
from pixelcnn.invariants.dependence import check_images_apart, check_labels_matter, check_rebuilt
from pixelcnn.invariants.leaks import check_no_leak, randomise
from pixelcnn.invariants.probabilities import check_by_channel, check_first_loss, check_normalised
from pixelcnn.invariants.results import Result, guarded, none_by_design
from pixelcnn.invariants.sampler import check_fast_sampler
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.models.registry import build_model, resolve
from pixelcnn.system.errors import ConfigError, UserError, described

#: Makes a fresh model of so many rows and columns, and its likelihood.
Fresh = Callable[[int, int], tuple[AutoregressiveModel, Likelihood]]


@dataclass(frozen=True)
class Kind:
    """A kind of images and of their models."""

    conditional: bool
    levels: int
    channels: int = 1
    likelihood: str = "auto"
    classes: int = 3

    def __str__(self) -> str:
        words = ["conditional" if self.conditional else "unconditional", f"{self.levels} levels"]
        words += [f"{self.channels} channels"] if self.channels > 1 else []
        words += [self.likelihood] if self.likelihood != "auto" else []
        return ", ".join(words)


#: The sizes at which the probabilities of all images are summed up, of one channel and of several, and how
#: many images these may be: of many channels there are too many but of one pixel, or even so.
TINY = ((2, 2), (1, 3), (3, 1))
TINY_COLOUR = ((1, 2), (2, 1), (1, 1))
MOST_SUMMED = 100_000
#: Conditional or not, levels, classes, height and width such as are trained: a leak may begin beyond the size
#: at which every pixel can be changed by itself.
AS_TRAINED = ((False, 16, 10, 14, 14), (True, 256, 10, 28, 28))


def check_architecture(
    model: str,
    hyperparameters: Mapping[str, Any],
    *,
    height: int = 9,
    width: int = 8,
    likelihood: str = "auto",
    channels: int = 1,
    as_trained: Sequence[tuple[bool, int, int, int, int]] = AS_TRAINED,
) -> Iterator[Result]:
    """Every check, unconditional and conditional, with binary and with grey pixels; leaks `as_trained`, too.

    A check that ends with an error has failed: the code of a user may raise anything.

    Raises:
        ConfigError: if the architecture or its hyper-parameters cannot be found or built.
    """
    for conditional, levels in itertools.product((False, True), (2, 5)):
        kind = Kind(conditional, levels, channels, likelihood)
        tiny = tiny_sizes(channels, levels)
        yield from check_kind(model, hyperparameters, kind, height=height, width=width, tiny=tiny)
    for conditional, levels, classes, height, width in as_trained:
        kind = Kind(conditional, levels, channels, likelihood, classes)
        large, _ = _fresh(model, hyperparameters, kind, height, width)
        result = guarded(BOTH_MODES, partial(check_both_modes, large))
        yield _named(f"{kind}, {height}x{width}", result)


def tiny_sizes(channels: int, levels: int) -> list[tuple[int, int]]:
    """Heights and widths at which all images can be summed up; none of many channels."""
    sizes = TINY if channels == 1 else TINY_COLOUR
    few = [(h, w) for h, w in sizes if levels ** (channels * h * w) <= MOST_SUMMED]
    return [size for size in few if size != (1, 1)] or few


def check_kind(
    model: str,
    hyperparameters: Mapping[str, Any],
    kind: Kind,
    *,
    height: int,
    width: int,
    tiny: Sequence[tuple[int, int]],
) -> Iterator[Result]:
    """Every check of one kind, and at the sizes `tiny` that the probabilities of all images sum to 1.

    Raises:
        ConfigError: if the architecture or its hyper-parameters cannot be found or built.
    """
    fresh = partial(_fresh, model, hyperparameters, kind)
    for result in _checks(fresh, height, width, kind.conditional):
        yield _named(str(kind), result)
    if not tiny:
        many = f"{kind.levels}^{kind.channels} images of one pixel are more than {MOST_SUMMED:,}"
        yield _named(str(kind), none_by_design("normalised", f"not summed up: {many}"))
    for h, w in tiny:
        small, likelihood = fresh(h, w)
        randomise(small)
        found = guarded("normalised", partial(check_normalised, small, likelihood))
        yield _named(f"{kind}, {h}x{w}", found)


def _fresh(
    model: str,
    hyperparameters: Mapping[str, Any],
    kind: Kind,
    height: int,
    width: int,
) -> tuple[AutoregressiveModel, Likelihood]:
    variant = VariantSpec(model, kind.conditional, kind.likelihood, dict(hyperparameters))
    try:
        image = ImageSpec(kind.channels, height, width, kind.levels, kind.classes)
        return build_model(resolve(variant), image)
    except UserError:
        raise
    except Exception as error:  # such as a constructor or build() with another signature
        raise ConfigError(f"model: {model}: cannot be built: {described(error)}") from error


def _checks(fresh: Fresh, height: int, width: int, conditional: bool) -> Iterator[Result]:
    """Those of a model of one size."""
    model, likelihood = fresh(height, width)
    if model.truth:
        yield none_by_design("first loss", "it begins as the truth, not as a uniform guess")
    else:
        yield guarded("first loss", partial(check_first_loss, model, likelihood))
    yield guarded(BOTH_MODES, partial(check_both_modes, model))
    model = randomise(model)
    yield guarded("no leak", partial(check_no_leak, model))
    yield guarded("coverage", partial(check_coverage, model))
    yield guarded("images apart", partial(check_images_apart, model))
    if conditional:
        yield guarded("labels matter", partial(check_labels_matter, model))
    if model.image.channels > 1:
        yield guarded("channel by channel", partial(check_by_channel, model, likelihood))
    yield from check_fast_sampler(model, likelihood)
    yield guarded(
        "rebuilt", partial(check_rebuilt, model, lambda: randomise(fresh(height, width)[0], seed=9))
    )


def _named(kind: str, result: Result) -> Result:
    return Result(f"{result.name} ({kind})", result.outcome, result.detail)
