"""What must hold for every architecture, whoever wrote it: the checks behind `pixelcnn check`.

They run in float64 with every weight drawn at random, so that no zero-initialised layer hides a
fault, and they look at the model through its public door only: integers in, parameters out.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.incremental.errors import NoForm
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.models.registry import build_model, resolve
from pixelcnn.sampling.fast import ORDERS, FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.sampling.request import Request
from pixelcnn.system.errors import ConfigError, UserError
from pixelcnn.system.seeding import pixel_noise

#: Changes below this share of the largest parameter are rounding, not influence.
ROUNDING = 1e-13
#: Random weights and images to look at: a ReLU may hide an influence in one draw of them. Looking
#: ends when this many draws have shown nothing new.
QUIET_DRAWS = 6


@dataclass(frozen=True)
class Result:
    """The outcome of one check."""

    name: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{'ok    ' if self.passed else 'FAILED'}  {self.name}: {self.detail}"


def randomise(model: AutoregressiveModel, seed: int = 0) -> AutoregressiveModel:
    """The model in float64 and evaluation mode with every weight random, scaled by its fan-in."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            fan_in = weight[0].numel() if weight.ndim > 1 else 1
            noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            weight.copy_(noise * 1.5 / math.sqrt(fan_in))
    return model


@torch.no_grad()
def influence(model: AutoregressiveModel) -> Tensor:
    """Which pixels change the parameters of which, measured: bool [H·W, H·W].

    Entry [i, j] says that changing pixel j changed a parameter at pixel i, for any of some draws
    of weights and images.
    """
    model = copy.deepcopy(model)
    pixels = model.image.height * model.image.width
    result = torch.zeros(pixels, pixels, dtype=torch.bool)
    draw = quiet = 0
    while quiet < QUIET_DRAWS:
        seen = result | _influence_once(randomise(model, seed=draw), draw)
        quiet = quiet + 1 if torch.equal(seen, result) else 0
        result, draw = seen, draw + 1
    return result


def _influence_once(model: AutoregressiveModel, seed: int) -> Tensor:
    image = model.image
    generator = torch.Generator().manual_seed(seed)
    pixels = image.height * image.width
    x, y = _random_images(image, 1, generator), _labels(image, 1, generator)
    changed = x.repeat(pixels + 1, 1, 1, 1).flatten(2)
    index = torch.arange(pixels)
    step = torch.randint(1, image.levels, (pixels, 1), generator=generator)
    changed[index + 1, :, index] = (changed[index + 1, :, index] + step) % image.levels
    params = model(changed.reshape(-1, *x.shape[1:]), None if y is None else y.repeat(pixels + 1))
    difference = (params[1:] - params[:1]).abs().amax(dim=1).flatten(1)  # [changed j, pixel i]
    moved: Tensor = difference > ROUNDING * params.abs().max()
    return moved.T


def check_no_leak(model: AutoregressiveModel) -> Result:
    """Changing pixel j changes no parameter at any pixel i <= j."""
    leaks = influence(model).triu()
    if leaks.any():
        i, j = (int(k) for k in leaks.nonzero()[0])
        detail = f"pixel {_place(model, j)} changes the parameters of pixel {_place(model, i)}, not after it"
        return Result("no leak", False, f"{int(leaks.sum())} pairs, such as: {detail}")
    return Result("no leak", True, "no pixel changes the parameters of itself or of an earlier one")


def check_coverage(model: AutoregressiveModel) -> Result:
    """The pixels that reach a pixel are those that the layers' taps say."""
    name = "coverage"
    pixels = model.image.height * model.image.width
    measured = influence(model)
    try:
        stated = model.reach().reshape(pixels, pixels)
    except UserError as error:
        return Result(name, True, f"not compared, since {error}; {_blind(measured)}")
    wrong = measured != stated
    if wrong.any():
        i, j = (int(k) for k in wrong.nonzero()[0])
        verb = "does" if measured[i, j] else "does not"
        detail = f"pixel {_place(model, j)} {verb} reach pixel {_place(model, i)}, against its layers' taps"
        return Result(name, False, f"{int(wrong.sum())} pairs, such as: {detail}")
    return Result(name, True, f"as the layers' taps say; {_blind(measured)}")


def _blind(measured: Tensor) -> str:
    earlier = int(torch.ones_like(measured).tril(-1).sum())
    return f"{int(measured.sum())} of {earlier} earlier pixels seen"


@torch.no_grad()
def check_images_apart(model: AutoregressiveModel) -> Result:
    """The parameters of an image do not depend on the other images of its batch."""
    generator = torch.Generator().manual_seed(1)
    x, y = _random_images(model.image, 5, generator), _labels(model.image, 5, generator)
    alone = torch.cat([model(x[i : i + 1], None if y is None else y[i : i + 1]) for i in range(5)])
    together = model(x, y)
    worst = float((alone - together).abs().max() / together.abs().max())
    return Result("images apart", worst < 1e-10, f"batch against one by one differ by {worst:.1e}")


@torch.no_grad()
def check_labels_matter(model: AutoregressiveModel) -> Result:
    """Every label of a conditional model gives parameters of its own."""
    classes = model.image.classes
    assert classes is not None, "an unconditional model has no labels"
    model = copy.deepcopy(model)
    x = _random_images(model.image, 1, torch.Generator().manual_seed(5)).repeat(classes, 1, 1, 1)
    told_apart = torch.zeros(classes - 1, dtype=torch.bool)
    for draw in range(QUIET_DRAWS):
        params = randomise(model, seed=draw)(x, torch.arange(classes))
        told_apart |= (params[1:] != params[:1]).flatten(1).any(dim=1)
    verb = "change" if told_apart.all() else "do not change"
    return Result("labels matter", bool(told_apart.all()), f"{classes} labels {verb} the parameters")


@torch.no_grad()
def check_normalised(model: AutoregressiveModel, likelihood: Likelihood) -> Result:
    """The probabilities of all possible images sum to 1; `model` must be for tiny images."""
    image = model.image
    dims = image.channels * image.height * image.width
    every = torch.tensor(list(itertools.product(range(image.levels), repeat=dims)))
    x = every.reshape(-1, image.channels, image.height, image.width)
    y = _labels(image, 1, torch.Generator().manual_seed(2))
    log_p = likelihood.log_prob(model(x, None if y is None else y.repeat(len(x))), x).sum(dim=(1, 2))
    total = float(log_p.exp().sum())
    return Result("normalised", abs(total - 1) < 1e-9, f"{len(x)} images have probability {total:.12f}")


@torch.no_grad()
def check_fast_sampler(model: AutoregressiveModel, likelihood: Likelihood) -> Iterator[Result]:
    """In every order the fast sampler draws what the reference sampler draws, from the same parameters."""
    image, n = model.image, 6
    labels = _labels(image, n, torch.Generator().manual_seed(6))
    nothing_given = torch.zeros(n, image.channels, 0, image.width, dtype=torch.long)
    other = None if labels is None or image.classes is None else (labels + 1) % image.classes
    before, request = (
        Request(pixel_noise(seed, 0, n, model.image_shape), y, nothing_given, with_parameters=True)
        for seed, y in ((1, other), (0, labels))
    )
    try:
        orders = [(order, FastSampler(model, likelihood, order)) for order in ORDERS]
    except NoForm as reason:
        yield Result("fast sampler", True, f"none, sampling takes a full pass for every pixel: {reason}")
        return
    expected = ReferenceSampler(model, likelihood).draw(request)
    for order, sampler in orders:
        sampler.draw(before)  # of which nothing may be left
        drawn = sampler.draw(request)
        params = model(drawn.images, labels)
        worst = float((drawn.parameters - params).abs().max() / params.abs().max())
        same = int((drawn.images == expected.images).flatten(1).all(dim=1).sum())
        detail = f"parameters differ by {worst:.1e}, {same} of {n} images are those of the reference sampler"
        yield Result(f"fast sampler, {order}", worst < 1e-9 and same == n, detail)


@torch.no_grad()
def check_rebuilt(model: AutoregressiveModel, rebuild: Callable[[], AutoregressiveModel]) -> Result:
    """Another model with the same weights gives the same parameters: nothing hides outside them."""
    generator = torch.Generator().manual_seed(3)
    other = rebuild()
    other.load_state_dict(model.state_dict())
    x, y = _random_images(model.image, 3, generator), _labels(model.image, 3, generator)
    same = torch.equal(model(x, y), other(x, y))
    return Result(
        "rebuilt", same, "the same weights give the same parameters" if same else "parameters differ"
    )


@torch.no_grad()
def check_first_loss(model: AutoregressiveModel, likelihood: Likelihood) -> Result:
    """A fresh model is near a uniform guess: its NLL is within 5 % of dims · ln(levels)."""
    image = model.image
    generator = torch.Generator().manual_seed(4)
    x, y = _random_images(image, 16, generator), _labels(image, 16, generator)
    nll = float(-likelihood.log_prob(model(x, y), x).sum(dim=(1, 2)).mean())
    uniform = image.channels * image.height * image.width * math.log(image.levels)
    return Result(
        "first loss", abs(nll / uniform - 1) < 0.05, f"{nll:.1f} nats, a uniform guess {uniform:.1f}"
    )


def check_architecture(
    model: str, hyperparameters: Mapping[str, Any], *, height: int = 9, width: int = 8
) -> Iterator[Result]:
    """Every check, unconditional and conditional, with binary and with grey pixels.

    Raises:
        ConfigError: if the architecture or its hyper-parameters cannot be found or built.
    """
    for conditional, levels in itertools.product((False, True), (2, 5)):
        variant = VariantSpec(model, conditional=conditional, hyperparameters=dict(hyperparameters))

        def fresh(
            h: int, w: int, levels: int = levels, variant: VariantSpec = variant
        ) -> tuple[AutoregressiveModel, Likelihood]:
            try:
                return build_model(resolve(variant), ImageSpec(1, h, w, levels, 3))
            except TypeError as error:  # a constructor or build() with another signature
                raise ConfigError(f"model: {model}: cannot be built: {error}") from error

        kind = f"{'conditional' if conditional else 'unconditional'}, {levels} levels"
        network, likelihood = fresh(height, width)
        yield _named(kind, check_first_loss(network, likelihood))
        network = randomise(network)
        yield _named(kind, check_no_leak(network))
        yield _named(kind, check_coverage(network))
        yield _named(kind, check_images_apart(network))
        if conditional:
            yield _named(kind, check_labels_matter(network))
        for result in check_fast_sampler(network, likelihood):
            yield _named(kind, result)
        yield _named(kind, check_rebuilt(network, lambda: randomise(fresh(height, width)[0], seed=9)))
        for h, w in ((2, 2), (1, 3), (3, 1)):
            tiny, _ = fresh(h, w)
            yield _named(f"{kind}, {h}x{w}", check_normalised(randomise(tiny), likelihood))


def _named(kind: str, result: Result) -> Result:
    return Result(f"{result.name} ({kind})", result.passed, result.detail)


def _random_images(image: ImageSpec, n: int, generator: torch.Generator) -> Tensor:
    shape = (n, image.channels, image.height, image.width)
    return torch.randint(0, image.levels, shape, generator=generator)


def _labels(image: ImageSpec, n: int, generator: torch.Generator) -> Tensor | None:
    return None if image.classes is None else torch.randint(0, image.classes, (n,), generator=generator)


def _place(model: AutoregressiveModel, pixel: int) -> tuple[int, int]:
    return divmod(pixel, model.image.width)
