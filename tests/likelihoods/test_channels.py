"""Likelihoods of several channels, and mixtures: against sums, against formulas by hand, against float64."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from scipy.stats import logistic as logistic_distribution

from pixelcnn.config.benchmark import TEMPERATURES
from pixelcnn.likelihoods import categorical, logistic, logistic_mixture
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.likelihoods.bernoulli import Bernoulli
from pixelcnn.likelihoods.categorical import Categorical
from pixelcnn.likelihoods.logistic_mixture import LogisticMixture

KINDS = {
    "bernoulli": lambda: Bernoulli(),
    "grey": lambda: Categorical(4),
    "colour": lambda: Categorical(3, 3),
    "colour of low rank": lambda: Categorical(35, 2, categorical.Hyperparameters(rank=4)),
    "binary mixture": lambda: LogisticMixture(2, 5),
    "grey mixture": lambda: LogisticMixture(256),
    "colour mixture": lambda: LogisticMixture(3, 3, logistic_mixture.Hyperparameters(components=2)),
    "mixture of one": lambda: LogisticMixture(6, 2, logistic_mixture.Hyperparameters(components=1)),
}


def made(kind: str, size: float = 2.0) -> tuple[Likelihood, torch.Tensor]:
    """A likelihood with random weights in float64, and parameters [1, P, 1, 1]."""
    likelihood, generator = KINDS[kind]().double(), torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in likelihood.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    shape = (1, likelihood.parameters_per_pixel, 1, 1)
    return likelihood, size * torch.randn(shape, generator=generator, dtype=torch.float64)


def every_pixel(likelihood: Likelihood) -> torch.Tensor:
    """All pixels there are: int64 [levels^C, C, 1, 1]."""
    pixels = itertools.product(range(likelihood.levels), repeat=likelihood.channels)
    return torch.tensor(list(pixels)).reshape(-1, likelihood.channels, 1, 1)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_all_pixels_sum_to_one_and_the_cumulative_probabilities_are_sums_of_theirs(kind):
    likelihood, params = made(kind)
    x = every_pixel(likelihood)
    everywhere = params.expand(len(x), -1, 1, 1)
    p = likelihood.log_prob(everywhere, x).exp().flatten()
    assert p.sum().item() == pytest.approx(1, abs=1e-9)
    table = p.reshape([likelihood.levels] * likelihood.channels)
    by_channel = likelihood.log_prob_by_channel(everywhere, x).exp()
    for channel in range(likelihood.channels):
        before = table.flatten(channel + 1).sum(-1) if channel + 1 < table.ndim else table
        share = before / before.sum(-1, keepdim=True)
        of_all = share[(...,) + (None,) * (table.ndim - channel - 1)].expand_as(table)
        torch.testing.assert_close(by_channel[:, channel].reshape(table.shape), of_all, rtol=0, atol=1e-9)
        share = share.cumsum(-1)
        found = likelihood.cdf(everywhere, x, channel)
        assert found.shape == (len(x), likelihood.levels, 1, 1)
        same_earlier = found.reshape(*table.shape, -1)[
            (slice(None),) * channel + (0,) * (table.ndim - channel)
        ]
        torch.testing.assert_close(same_earlier, share.reshape(same_earlier.shape), rtol=0, atol=1e-9)
        assert (found[:, -1] == 1).all()


@torch.no_grad()
@pytest.mark.parametrize("kind", ["colour", "colour mixture", "grey mixture"])
def test_frequencies_of_samples_are_the_probabilities(kind):
    likelihood, params = made(kind, size=0.7)
    n, x = 40_000, every_pixel(likelihood)
    noise = torch.from_numpy(np.random.default_rng(3).random((n, likelihood.channels, 1, 1)))
    drawn = likelihood.sample(params.expand(n, -1, 1, 1), noise)
    assert drawn.dtype == torch.int64 and drawn.shape == noise.shape
    number = sum(
        drawn[:, c].flatten() * likelihood.levels ** (likelihood.channels - 1 - c)
        for c in range(likelihood.channels)
    )
    counts = torch.bincount(number, minlength=len(x)).double().numpy()
    expected = n * likelihood.log_prob(params.expand(len(x), -1, 1, 1), x).exp().flatten().numpy()
    rare = expected < 5
    seen, wanted = (np.append(v[~rare], v[rare].sum()) for v in (counts, expected))
    seen, wanted = (v[:-1] if not rare.any() else v for v in (seen, wanted))
    assert chisquare(seen, wanted * seen.sum() / wanted.sum()).pvalue > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_is_the_first_level_whose_cumulative_probability_exceeds_its_noise(kind):
    likelihood, params = made(kind, size=1.0)
    if kind == "bernoulli":
        return  # counts from the top
    noise = torch.rand(500, likelihood.channels, 1, 1, dtype=torch.float64)
    noise[0], noise[1] = 0.0, 1 - 1e-9
    everywhere = params.expand(500, -1, 1, 1)
    drawn = likelihood.sample(everywhere, noise)
    for channel in range(likelihood.channels):
        below = likelihood.cdf(everywhere, drawn, channel)
        wanted = (noise[:, channel : channel + 1] >= below).sum(dim=1).clamp(max=likelihood.levels - 1)
        assert torch.equal(drawn[:, channel], wanted)


def by_hand(weights, means, scales, slopes, x, levels):
    """log p of a pixel x of 3 channels: Salimans et al. 2017, equations 2 and 3, in numpy."""
    total = 0.0
    width, (r, g, b) = 2 / (levels - 1), (2 * np.array(x) / (levels - 1) - 1)
    for k, weight in enumerate(weights):
        moved = (
            means[0][k],
            means[1][k] + slopes[0][k] * r,
            means[2][k] + slopes[1][k] * r + slopes[2][k] * g,
        )
        p = weight
        for c, value in enumerate((r, g, b)):
            below = logistic_distribution(moved[c], scales[c][k]).cdf
            low = 0 if x[c] == 0 else below(value - width / 2)
            high = 1 if x[c] == levels - 1 else below(value + width / 2)
            p *= high - low
        total += p
    return math.log(total)


@torch.no_grad()
@pytest.mark.parametrize("levels", [3, 32, 256])
def test_a_colour_mixture_by_hand(levels):
    random = np.random.default_rng(levels)
    k = 2
    likelihood = LogisticMixture(levels, 3, logistic_mixture.Hyperparameters(components=k))
    weights = np.array([0.3, 0.7])
    means, scales = random.uniform(-0.9, 0.9, (3, k)), random.uniform(0.3, 0.8, (3, k))
    slopes = random.uniform(-0.9, 0.9, (3, k))
    # The scales' lower bound is smooth: what the network must give for these.
    least = math.log(logistic.NARROWEST * 2 / (levels - 1))
    log_scales = np.log(np.expm1(np.log(scales) - least)) + least - math.log(logistic_mixture.SPREAD)
    start = likelihood.centres(torch.zeros(1, dtype=torch.float64)).numpy()
    given = [np.log(weights), (means - start).ravel(), log_scales.ravel(), np.arctanh(slopes).ravel()]
    params = torch.from_numpy(np.concatenate(given)).reshape(1, -1, 1, 1)
    for x in ([0, 0, 0], [levels - 1] * 3, [1, 0, levels - 1], random.integers(0, levels, 3)):
        found = likelihood.log_prob(params, torch.tensor(np.array(x)).reshape(1, 3, 1, 1)).item()
        assert found == pytest.approx(by_hand(weights, means, scales, slopes, x, levels), abs=1e-8)


@torch.no_grad()
@pytest.mark.parametrize("levels", [4, 40])
def test_categories_of_colour_by_hand(levels):
    likelihood, random = Categorical(levels, 3, categorical.Hyperparameters(rank=5)).double(), torch.randn
    for weight in likelihood.parameters():
        weight.copy_(random(weight.shape))
    params, x = random(1, likelihood.parameters_per_pixel, 1, 1).double(), [3, 0, 2]
    given = params.flatten().numpy()
    first, second, third = given[:-9].reshape(3, -1)
    means, log_scales, slopes = given[-9:].reshape(3, 3)
    red_green, red_blue, green_blue = (likelihood.table(i).numpy() for i in range(3))
    features = (first, second + red_green[x[0]], third + red_blue[x[0]] + green_blue[x[1]])
    red, green, _ = 2 * np.array(x) / (levels - 1) - 1
    moved = np.tanh(slopes) * (red, red, green)
    places = (means[0], means[1] + moved[0], means[2] + moved[1] + moved[2])
    least = math.log(logistic.NARROWEST * 2 / (levels - 1))
    scales = np.exp(least + np.log1p(np.exp(log_scales + math.log(categorical.SPREAD) - least)))
    ends = (2 * np.arange(levels - 1) + 1) / (levels - 1) - 1
    total = 0.0
    for c, logits in enumerate(features):
        if levels > 32:
            logits = logits @ likelihood.read_out[c].numpy()
        below = np.concatenate([[0], logistic_distribution.cdf(ends, places[c], scales[c]), [1]])
        logits = logits + np.log(np.diff(below)) + likelihood.bias[c].numpy()
        total += logits[x[c]] - np.logaddexp.reduce(logits)
    assert likelihood.log_prob(params, torch.tensor(x).reshape(1, 3, 1, 1)).item() == pytest.approx(total)


@pytest.mark.parametrize("kind", ["grey mixture", "colour mixture", "colour", "colour of low rank"])
def test_what_is_saturated_has_finite_gradients_and_float32_agrees_with_float64(kind):
    """Parameters up to where float32 itself has steps of 1e-4 nats; 2e-6 of the nats is its rounding."""
    of_256_levels = {"colour mixture": LogisticMixture, "colour of low rank": Categorical}
    likelihood = of_256_levels[kind](256, 3) if kind in of_256_levels else KINDS[kind]()
    last, generator = likelihood.levels - 1, torch.Generator().manual_seed(0)
    x = torch.randint(0, last + 1, (64, likelihood.channels, 1, 1), generator=generator)
    x[:8], x[8:16] = 0, last
    for size in (1.0, 8.0, 30.0, 1e4):
        params = size * torch.randn(64, likelihood.parameters_per_pixel, 1, 1, generator=generator)
        params[::2] = params[::2].sign() * size
        params.requires_grad_()
        found = likelihood.float().log_prob(params, x)
        (gradient,) = torch.autograd.grad(found.sum(), params)
        assert found.dtype == torch.float32 and gradient.isfinite().all() and found.isfinite().all()
        if size < 1e4:
            exact = likelihood.double().log_prob(params.detach().double(), x)
            torch.testing.assert_close(found.double(), exact, rtol=2e-6, atol=1e-4)


@torch.no_grad()
def test_a_tempered_mixture_is_the_one_of_other_weights_and_scales():
    likelihood, params = made("colour mixture", size=0.5)
    noise = torch.rand(200, 3, 1, 1, dtype=torch.float64)
    mixture = likelihood._mixture(params)
    hot = likelihood._mixture(params, 2.0)
    torch.testing.assert_close(hot.scales, 2 * mixture.scales)
    torch.testing.assert_close(hot.log_weights, torch.log_softmax(mixture.log_weights / 2, -1))
    assert torch.equal(hot.means, mixture.means) and torch.equal(hot.slopes, mixture.slopes)
    everywhere = params.expand(200, -1, 1, 1)
    assert torch.equal(likelihood.sample(everywhere, noise, 1.0), likelihood.sample(everywhere, noise))
    for temperature in TEMPERATURES:
        drawn = likelihood.sample(everywhere, noise, temperature)
        assert drawn.min() >= 0 and drawn.max() < 3
        if temperature < 1:
            assert len(drawn.unique(dim=0)) == 1, "the level at the mean of the heaviest component"


@torch.no_grad()
@pytest.mark.parametrize(
    ("levels", "channels", "components"), [(3, 3, 10), (3, 5, 5), (2, 8, 2), (256, 16, 5)]
)
def test_the_mixture_of_a_network_that_gives_zeros_is_near_a_uniform_guess(levels, channels, components):
    likelihood = LogisticMixture(levels, channels, logistic_mixture.Hyperparameters(components))
    x = torch.randint(0, levels, (4000, channels, 1, 1), generator=torch.Generator().manual_seed(0))
    nll = -likelihood.log_prob(torch.zeros(4000, likelihood.parameters_per_pixel, 1, 1), x).mean().item()
    assert nll == pytest.approx(channels * math.log(levels), rel=0.042)
    assert all(len(set(row.tolist())) == components for row in likelihood.centres(torch.zeros(1)))


def test_what_a_network_must_give_and_the_weights_that_come_with_it():
    sizes = {kind: make().parameters_per_pixel for kind, make in KINDS.items()}
    assert sizes["colour"] == 18 and sizes["colour of low rank"] == 13
    assert sizes["grey mixture"] == 15 and LogisticMixture(256, 3).parameters_per_pixel == 50
    assert Categorical(256, 3).parameters_per_pixel == 57
    assert sum(weight.numel() for weight in Categorical(256, 3).parameters()) == 13_824
    assert not list(Categorical(256).parameters()), "old checkpoints of one channel have no such weights"


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 33])
def test_categories_of_colour_of_a_network_that_gives_zeros_are_all_alike(levels):
    likelihood = Categorical(levels, 3)
    params = torch.zeros(1, likelihood.parameters_per_pixel, 1, 1)
    x = torch.arange(levels).expand(3, -1).T[:, :, None, None]
    nats = -likelihood.log_prob(params.expand(levels, -1, 1, 1), x).detach()
    assert nats.flatten().tolist() == pytest.approx([3 * math.log(levels)] * levels, rel=1e-5)
