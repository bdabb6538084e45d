import math

import numpy as np
import pytest
import torch

from pixelcnn.config.benchmark import TEMPERATURES
from pixelcnn.likelihoods.bernoulli import Bernoulli
from pixelcnn.likelihoods.categorical import Categorical
from pixelcnn.likelihoods.registry import make_likelihood
from pixelcnn.system.errors import ConfigError


def test_bernoulli_by_hand():
    params = torch.tensor([0.0, math.log(3)]).reshape(1, 1, 1, 2)
    one, zero = torch.ones(1, 1, 1, 2).long(), torch.zeros(1, 1, 1, 2).long()
    assert Bernoulli().log_prob(params, one).flatten().tolist() == pytest.approx(
        [math.log(0.5), math.log(0.75)]
    )
    assert Bernoulli().log_prob(params, zero).flatten().tolist() == pytest.approx(
        [math.log(0.5), math.log(0.25)]
    )


def test_categorical_by_hand():
    params = torch.tensor([1.0, 2.0, 4.0]).log().reshape(1, 3, 1, 1)
    for level, p in enumerate([1 / 7, 2 / 7, 4 / 7]):
        x = torch.full((1, 1, 1, 1), level)
        assert Categorical(3).log_prob(params, x).item() == pytest.approx(math.log(p))


@pytest.mark.parametrize("likelihood", [Bernoulli(), Categorical(2), Categorical(5), Categorical(256)])
def test_the_probabilities_of_all_levels_sum_to_one(likelihood):
    params = torch.randn(3, likelihood.parameters_per_pixel, 2, 4, dtype=torch.float64) * 3
    levels = [torch.full((3, 1, 2, 4), level) for level in range(likelihood.levels)]
    total = sum(likelihood.log_prob(params, x).exp() for x in levels)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-12)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Categorical(4)])
def test_samples_follow_the_probabilities(likelihood):
    params = torch.randn(1, likelihood.parameters_per_pixel, 1, 1, dtype=torch.float64).expand(
        40_000, -1, 1, 1
    )
    noise = torch.from_numpy(np.random.default_rng(0).random((40_000, 1, 1, 1)))
    drawn = likelihood.sample(params, noise)
    assert drawn.dtype == torch.int64 and drawn.shape == noise.shape
    for level in range(likelihood.levels):
        p = likelihood.log_prob(params[:1], torch.full((1, 1, 1, 1), level)).exp().item()
        assert (drawn == level).double().mean().item() == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize(("temperature", "p"), [(1.0, 3 / 4), (0.5, 9 / 10), (2.0, 3 / (3 + math.sqrt(3)))])
def test_a_binary_pixel_is_one_where_its_noise_is_below_the_tempered_probability(temperature, p):
    params = torch.full((1, 1, 1, 2), math.log(3), dtype=torch.float64)
    noise = torch.tensor([p - 1e-9, p + 1e-9], dtype=torch.float64).reshape(1, 1, 1, 2)
    assert Bernoulli().sample(params, noise, temperature).flatten().tolist() == [1, 0]


@pytest.mark.parametrize(
    ("temperature", "first", "second"),
    [
        (1.0, 1 / 7, 3 / 7),  # 1 : 2 : 4
        (0.5, 1 / 21, 5 / 21),  # 1 : 4 : 16
        (2.0, 1 / (3 + math.sqrt(2)), (1 + math.sqrt(2)) / (3 + math.sqrt(2))),  # 1 : 1.41 : 2
    ],
)
def test_a_grey_pixel_is_the_level_whose_share_of_the_tempered_probabilities_holds_its_noise(
    temperature, first, second
):
    params = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64).log().reshape(1, 3, 1, 1)
    params = params.expand(1, 3, 1, 4)
    ends = [first - 1e-9, first + 1e-9, second - 1e-9, second + 1e-9]
    noise = torch.tensor(ends, dtype=torch.float64).reshape(1, 1, 1, 4)
    assert Categorical(3).sample(params, noise, temperature).flatten().tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("logits", "noise", "level"),
    [([0.0, 0.0], 0.5, 1), ([-math.inf, 0.0], 0.0, 1), ([0.0, -math.inf], 1 - 2**-53, 0)],
)
def test_noise_at_the_very_end_of_a_level_belongs_to_the_next_and_none_to_an_impossible_one(
    logits, noise, level
):
    at = torch.full((1, 1, 1, 1), noise, dtype=torch.float64)
    params = torch.tensor(logits, dtype=torch.float64).reshape(1, 2, 1, 1)
    assert Categorical(2).sample(params, at).item() == level
    # The same shares, of a one first: it is drawn below its probability.
    assert Bernoulli().sample(params[:, :1] - params[:, 1:], at).item() == 1 - level


def test_draws_are_as_precise_as_their_noise():
    params = torch.randn(100, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    p = torch.sigmoid(params.double())
    categorical = torch.cat([params, torch.zeros_like(params)], dim=1)
    for noise, drawn in ((p - 1e-12, 1), (p + 1e-12, 0)):
        assert (Bernoulli().sample(params, noise) == drawn).all()
        assert (Categorical(2).sample(categorical, noise) == 1 - drawn).all()


def test_the_numbers_that_a_model_must_give_for_a_pixel():
    for levels in (2, 5):
        assert (Categorical(levels).levels, Categorical(levels).parameters_per_pixel) == (levels, levels)
    assert (Bernoulli().levels, Bernoulli().parameters_per_pixel) == (2, 1)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Categorical(3)])
def test_samples_stay_in_range_at_the_ends_of_the_noise(likelihood):
    params = torch.randn(50, likelihood.parameters_per_pixel, 1, 1)
    for noise in (0.0, 1 - 2**-53):
        drawn = likelihood.sample(params, torch.full((50, 1, 1, 1), noise, dtype=torch.float64))
        assert drawn.min() >= 0 and drawn.max() < likelihood.levels


@pytest.mark.parametrize("likelihood", [Bernoulli(), Categorical(2)])
def test_double_precision_parameters_are_scored_in_float64(likelihood):
    params = torch.randn(2, likelihood.parameters_per_pixel, 3, 3, dtype=torch.float64)
    assert likelihood.log_prob(params, torch.ones(2, 1, 3, 3).long()).dtype == torch.float64


def test_low_precision_parameters_are_scored_in_float32():
    x = torch.ones(2, 1, 3, 3).long()
    logits = torch.randn(2, 1, 3, 3).bfloat16()
    assert torch.equal(Bernoulli().log_prob(logits, x), Bernoulli().log_prob(logits.float(), x))
    params = torch.randn(2, 4, 3, 3).bfloat16()
    x = torch.randint(0, 4, (2, 1, 3, 3))
    assert Categorical(4).log_prob(params, x).dtype == torch.float32
    assert torch.allclose(Categorical(4).log_prob(params, x), Categorical(4).log_prob(params.float(), x))


def test_the_choice_of_a_likelihood():
    assert isinstance(make_likelihood("bernoulli", 2), Bernoulli)
    assert isinstance(make_likelihood("categorical", 3), Categorical)
    assert isinstance(make_likelihood("categorical", 2), Categorical)
    assert make_likelihood("categorical", 5).levels == 5
    for name, levels, channels, said in (
        ("bernoulli", 3, 1, "levels: 3"),
        ("gaussian", 3, 1, "'gaussian'"),
        ("bernoulli", 2, 3, "take categorical"),
    ):
        with pytest.raises(ConfigError, match=said):
            make_likelihood(name, levels, channels)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("size", [1.0, 1e30, torch.finfo(torch.float32).max])
def test_temperatures_at_the_ends_of_their_range_give_the_limits_of_the_distribution(temperature, size):
    """Of logits as large as a float32 may be: the most likely level below, whichever it is; a guess above."""
    noise = torch.rand(1, 1, 1, 1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    logits = size * torch.tensor([-1.0, 1.0, -0.5, 0.5]).reshape(1, 4, 1, 1).expand(1, 4, 1, 1000)
    drawn = Categorical(4).sample(logits, noise, temperature).flatten()
    if temperature < 1 or size > 1:
        assert drawn.unique().tolist() == [1]
    else:
        assert torch.equal(drawn, (noise.flatten() * 4).long())
    for sign in (1, -1):
        params = torch.full((1, 1, 1, 1000), sign * size)
        ones = Bernoulli().sample(params, noise, temperature).double().mean()
        assert ones == pytest.approx((1 + sign) / 2 if temperature < 1 or size > 1 else 0.5, abs=0.05)
