"""Which pixels a model sees, and how much each of them counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from support.small import SMALL

from pixelcnn.analysis.receptive import ReceptiveField, effective, reach, receptive_field
from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.data.contract import Split
from pixelcnn.invariants.leaks import randomise
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec


def network(name="pixelcnn", *, conditional=False, levels=4, size=(7, 9), **changes):
    hyperparameters = {**SMALL.get(name, {}), **changes}
    variant = VariantSpec(name, conditional=conditional, hyperparameters=hyperparameters)
    return registry.build_model(registry.resolve(variant), ImageSpec(1, *size, levels, 2))


def images(n, levels=4, size=(7, 9), seed=0):
    random = np.random.default_rng(seed)
    return Split(random.integers(0, levels, (n, 1, *size), dtype=np.uint8), random.integers(0, 2, n))


# ------------------------------------------------------------------------------ receptive fields


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", registry.names())
def test_the_reach_by_gradients_is_that_by_the_layers_taps(name, conditional):
    model, _ = network(name, conditional=conditional)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert torch.equal(reach(model), model.reach()[3, 4].reshape(7, 9))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items()), (
        "the model is left as it was"
    )


@pytest.mark.parametrize("part", ["reach", "effective"])
@pytest.mark.parametrize(
    ("pixel", "leak"), [((2, 8), None), ((3, 3), None), ((3, 4), (3, 4)), ((3, 5), (3, 5)), ((4, 0), (4, 0))]
)
def test_a_field_leaks_where_the_centre_or_a_later_pixel_has_an_influence(part, pixel, leak):
    parts = {"reach": np.zeros((7, 9), bool), "effective": np.zeros((7, 9))}
    parts[part][pixel] = 1
    assert ReceptiveField(**parts).leak == leak


def test_a_blind_spot_is_seen_in_a_plain_stack_and_not_in_a_gated_one():
    plain, _ = network("pixelcnn", first_kernel_size=3, blocks=8)
    gated, _ = network("gated", first_kernel_size=3, blocks=6)
    earlier = torch.arange(63).reshape(7, 9) < 3 * 9 + 4
    assert not reach(plain)[2, 8] and reach(plain)[2, 0], "upper right, beyond the diagonal"
    assert torch.equal(reach(gated), earlier)


@pytest.mark.parametrize("levels", [2, 4])
@pytest.mark.parametrize("name", registry.names())
def test_the_effective_field_is_a_share_of_what_can_be_reached(name, levels):
    model, _ = network(name, levels=levels)
    field = receptive_field(randomise(model), images(70, levels), images=66)
    assert field.effective.shape == (7, 9) and field.effective.dtype == np.float64
    assert not field.effective[~field.reach].any(), "exactly nothing from where nothing can come"
    assert field.earlier_pixels == 31
    if name == "independent":
        assert not field.effective.any()
        assert (field.reach_pixels, field.effective_pixels, field.effective_radius) == (0, 0, 0.0)
    else:
        assert field.effective.sum() == pytest.approx(1)
        assert 0 < field.effective_pixels <= field.reach_pixels <= 31
        assert 1 <= field.effective_radius < math.hypot(3, 4)


def test_the_effective_field_is_that_of_finite_differences():
    model, _ = network(levels=3, size=(3, 3))
    model.double()  # with weights as they begin: random ones leave the centre hardly a choice
    split = images(2, 3, (3, 3))
    step, squares = 1e-5, np.zeros((3, 3))
    entered = model.enter(torch.from_numpy(split.images).long())

    def log_p(features):  # [N, L] of the centre
        return torch.log_softmax(model.network(features, None)[:, :, 1, 1], dim=1)

    with torch.no_grad():
        for r in range(3):
            for c in range(3):
                moved = entered.clone()
                moved[:, 0, r, c] += step
                slope = (log_p(moved) - log_p(entered)) / step
                squares[r, c] = (log_p(entered).exp() * slope**2).sum()
    exact = np.sqrt(squares) / np.sqrt(squares).sum()
    many = Split(split.images.repeat(60, axis=0))  # values of the centre are drawn: many draws of each
    assert effective(model, many).numpy() == pytest.approx(exact, abs=0.02)


def test_a_constant_added_to_all_logits_is_no_influence():
    model, _ = network("pixelcnn")
    before = effective(model, images(8))

    class Shifted(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x, y):
            return self.inner(x, y) + 100 * x[:, :1]

    model.network = Shifted(model.network)
    assert effective(model, images(8)) == pytest.approx(before, abs=1e-9)


def test_pixels_and_radius_by_hand():
    influence = np.zeros((5, 5))
    influence[2, 1], influence[1, 2], influence[0, 2], influence[2, 0] = 0.5, 0.3, 0.16, 0.04
    field = ReceptiveField(influence > 0, influence)
    assert (field.centre, field.earlier_pixels, field.reach_pixels) == ((2, 2), 12, 4)
    assert field.effective_pixels == 3, "0.5 + 0.3 + 0.16 are the first to be 95 %"
    assert field.effective_radius == pytest.approx(math.sqrt(0.8 * 1 + 0.2 * 4))
