"""Samplers: exactness over every architecture, reproducibility, completion, temperature, bad requests."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import itertools
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.small import SMALL
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pixelcnn import invariants
from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.data.contract import Split
from pixelcnn.images.grids import completion_grid, grid, save_grid
from pixelcnn.images.pictures import draw_completions, draw_samples, labels_for
from pixelcnn.incremental import program as incremental
from pixelcnn.incremental.memory import Ring
from pixelcnn.incremental.schedules import Wavefront
from pixelcnn.invariants import check_fast_sampler, randomise
from pixelcnn.layers.attention import CausalSelfAttention
from pixelcnn.layers.base import Chain, Residual
from pixelcnn.layers.convolution import CausalConv2d, masked_conv
from pixelcnn.layers.pointwise import Activation, PixelTable, Pointwise
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.sampling import runs
from pixelcnn.sampling.api import sample
from pixelcnn.sampling.fast import ORDERS, FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.sampling.replay import Recorder
from pixelcnn.sampling.request import Request
from pixelcnn.system.errors import UserError
from pixelcnn.system.seeding import pixel_noise

DILATED = {**SMALL["pixelcnn"], "blocks": 3, "dilations": [1, 2, 4]}
VARIANTS = [(name, SMALL.get(name, {})) for name in registry.names()] + [("pixelcnn", DILATED)]
#: Square, wide, tall, one row, one column, one pixel.
SIZES = [(6, 6), (4, 11), (9, 4), (1, 7), (6, 1), (1, 1)]


def network(name="pixelcnn", conditional=False, levels=3, size=(4, 5), hyperparameters=None):
    hyperparameters = SMALL.get(name, {}) if hyperparameters is None else hyperparameters
    variant = VariantSpec(name, conditional=conditional, hyperparameters=hyperparameters)
    model, likelihood = registry.build_model(registry.resolve(variant), ImageSpec(1, *size, levels, 2))
    model = randomise(model)
    *_, weight, bias = [None, *model.parameters()]
    with torch.no_grad():  # parameters of size 1: no pixel is certain, so every draw matters
        x = torch.randint(0, levels, (20, 1, *size))
        spread = model(x, torch.zeros(20).long() if conditional else None).std()
        scale = spread if spread > 1e-6 else 1  # the only pixel of an image always has the same
        for last in (weight, bias):
            if last is not None:
                last /= scale
    return model, likelihood


def request(model, n, *, seed=0, given=None, temperature=1.0):
    image = model.image
    nothing = torch.zeros(n, image.channels, 0, image.width, dtype=torch.long)
    return Request(
        noise=pixel_noise(seed, 0, n, model.image_shape),
        labels=None if image.classes is None else torch.arange(n) % image.classes,
        given=nothing if given is None else given,
        temperature=temperature,
        with_parameters=True,
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "hyperparameters"), VARIANTS)
def test_every_sampler_draws_the_same_from_the_parameters_of_the_full_pass(
    monkeypatch, name, hyperparameters, size
):
    monkeypatch.setattr(runs, "MANY", 5)  # the larger batch draws rows in parts
    for conditional, levels, n in itertools.product((False, True), (2, 3), (1, 5)):
        model, likelihood = network(name, conditional, levels, size, hyperparameters)
        asked = request(model, n, seed=levels)
        reference = ReferenceSampler(model, likelihood).draw(asked)
        params = model(reference.images, asked.labels)
        torch.testing.assert_close(reference.parameters, params, rtol=1e-9, atol=0)
        assert torch.equal(likelihood.sample(params, asked.noise), reference.images)
        for order in ORDERS:
            fast = FastSampler(model, likelihood, order).draw(asked)
            assert torch.equal(fast.images, reference.images), order
            worst = (fast.parameters - params).abs().max()
            assert worst <= 1e-9 * params.abs().max(), order


@pytest.mark.parametrize(("name", "hyperparameters"), VARIANTS)
def test_single_precision_is_close_and_draws_nearly_the_same(name, hyperparameters):
    model, likelihood = network(name, size=(7, 8), hyperparameters=hyperparameters)
    model = model.float()
    asked = request(model, 100)
    reference = ReferenceSampler(model, likelihood).draw(asked)
    for order in ORDERS:
        fast = FastSampler(model, likelihood, order).draw(asked)
        params = model(fast.images, asked.labels)
        torch.testing.assert_close(fast.parameters, params, rtol=0, atol=1e-4)
        same = (fast.images == reference.images).flatten(1).all(dim=1)
        assert same.double().mean() >= 0.95


@pytest.mark.parametrize("name", registry.names())
def test_every_architecture_has_a_fast_sampler(name):
    model, likelihood = network(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = sample(model, likelihood, 3, seed=0)
    assert drawn.dtype == torch.uint8 and drawn.shape == (3, 1, 4, 5) and int(drawn.max()) < 3


def test_an_image_depends_neither_on_the_batch_nor_on_how_many_are_drawn():
    model, likelihood = network("attention")
    few, many = (sample(model, likelihood, n, seed=1) for n in (2, 7))
    assert torch.equal(few, many[:2])
    assert torch.equal(many, sample(model, likelihood, 7, seed=1, batch_size=3))
    assert not torch.equal(few, sample(model, likelihood, 2, seed=2))


def test_samples_have_the_probabilities_of_the_model():
    model, likelihood = network(levels=2, size=(1, 2))
    drawn = sample(model, likelihood, 20_000, seed=0, batch_size=20_000).flatten(1).long()
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x = torch.tensor([a, b]).reshape(1, 1, 1, 2)
        p = likelihood.log_prob(model(x), x).sum().exp().item()
        share = (drawn == torch.tensor([a, b])).all(dim=1).double().mean().item()
        assert share == pytest.approx(p, abs=0.015)


def test_progress_comes_to_all_images():
    model, likelihood = network()
    seen = []
    sample(model, likelihood, 7, seed=0, batch_size=3, on_progress=lambda *at: seen.append(at))
    assert seen == sorted(seen) and seen[-1] == (7, 7) and {total for _, total in seen} == {7}


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("rows", [0, 1, 3, 4])
def test_a_completion_keeps_what_was_given_and_draws_the_rest_from_the_model(name, rows):
    model, likelihood = network(name)
    given = torch.randint(0, 3, (4, 1, rows, 5), generator=torch.Generator().manual_seed(0))
    asked = request(model, 4, given=given)
    reference = ReferenceSampler(model, likelihood).draw(asked).images
    assert torch.equal(reference[:, :, :rows], given)
    drawn = likelihood.sample(model(reference), asked.noise)
    assert torch.equal(reference[:, :, rows:], drawn[:, :, rows:])
    for order in ORDERS:
        assert torch.equal(FastSampler(model, likelihood, order).draw(asked).images, reference)
    whole = sample(model, likelihood, 4, seed=0, given=given)
    assert torch.equal(whole.long(), reference)


def test_temperature_divides_the_logits_of_every_pixel():
    model, likelihood = network(levels=3)
    for order in ORDERS:
        drawn = FastSampler(model, likelihood, order).draw(request(model, 5, temperature=0.5))
        params = model(drawn.images)
        assert torch.equal(likelihood.sample(2 * params, request(model, 5).noise), drawn.images)
    cold = sample(model, likelihood, 3, seed=0, temperature=1e-6).long()
    assert torch.equal(model(cold).argmax(dim=1, keepdim=True), cold), "towards 0 the most likely level"
    assert torch.equal(
        sample(model, likelihood, 3, seed=0, temperature=1.0), sample(model, likelihood, 3, seed=0)
    )


def test_a_network_without_incremental_form_is_sampled_slowly_with_one_warning():
    model, likelihood = network(size=(3, 4))
    expected = sample(model, likelihood, 4, seed=0)
    inner = model.network

    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x, y):
            return self.inner(F.relu(x) - F.relu(-x), y)

    model.network = Doubled()
    with pytest.warns(UserWarning, match="slow: torch's relu is called outside of a causal layer") as caught:
        drawn = sample(model, likelihood, 4, seed=0, batch_size=2)
    assert len(caught) == 1
    assert torch.equal(drawn, expected)


def test_any_composition_of_causal_layers_gets_a_sampler():
    model, likelihood = network(size=(6, 5))
    parameters = model.parameters_per_pixel

    class Branches(nn.Module):
        """Features that come at different times: a look at the row above, and one to the left."""

        def __init__(self):
            super().__init__()
            self.first = masked_conv(model.inputs, 4, 3, "A")
            self.above = CausalConv2d(4, 4, (-2, -1), (-1, 3), last=3)
            self.right = CausalConv2d(model.inputs, 4, (-2, -2), (0, 2), last=2)
            self.out = Chain(Residual(Activation(torch.tanh)), Pointwise(4, parameters))

        def forward(self, x, y):
            first = self.first(x, y)
            return self.out(first + self.above(first, y) + self.right(x, y), y)

    model.network = Branches()
    randomise(model)
    assert [str(r) for r in check_fast_sampler(model, likelihood) if not r.passed] == []
    assert invariants.check_coverage(model).passed


def test_features_that_depend_on_no_pixel_can_be_convolved_and_added_late():
    model, likelihood = network(size=(6, 5))
    parameters = model.parameters_per_pixel

    class Placed(nn.Module):
        """What is known of each place, at the pixel and around it; taps that all lie outside, too."""

        def __init__(self):
            super().__init__()
            self.table = PixelTable(None, 4, 6, 5, gain=1.0)
            self.around = masked_conv(4, 4, 3, "B")
            self.outside = CausalConv2d(4, 4, (-6, -6), (-1, 1), last=1)
            self.first = masked_conv(model.inputs, 4, 3, "A")
            self.later = CausalConv2d(4, 4, (0, 0), (-1, -1), last=-1)
            self.out = Pointwise(4, parameters)

        def forward(self, x, y):
            table = self.table(x, y)
            outside = self.outside(table, y)
            known = self.around(table, y) + outside
            return self.out(self.later(self.first(x, y), y) + known + table + self.later(outside, y), y)

    model.network = Placed()
    randomise(model)
    assert [str(r) for r in check_fast_sampler(model, likelihood) if not r.passed] == []


class OwnPixel(Chain):
    """Features see their own pixel; a later layer leaves it out."""

    def __init__(self, inputs, parameters):
        first = [masked_conv(inputs, 6, 3, "B"), Activation(torch.tanh), masked_conv(6, 6, 3, "B")]
        super().__init__(*first, masked_conv(6, 6, 5, "A"), Activation(torch.tanh), Pointwise(6, parameters))


class PixelsToTheRight(nn.Module):
    """A vertical stack that sees its own row to the right, shifted where it joins the horizontal one."""

    def __init__(self, inputs, parameters):
        super().__init__()
        first = CausalConv2d(inputs, 6, (-1, 0), (-1, 1), last=1)
        self.vertical = Chain(first, Activation(torch.tanh), CausalConv2d(6, 6, (-1, 0), (-2, 2), last=2))
        self.shift = CausalConv2d(6, 6, (-1, -1), (-1, 1), last=1)
        self.horizontal = masked_conv(inputs, 6, 3, "A")
        self.out = Chain(Activation(torch.tanh), masked_conv(6, 6, 3, "B"), Pointwise(6, parameters))

    def forward(self, x, y):
        return self.out(self.shift(self.vertical(x, y), y) + self.horizontal(x, y), y)


class AttentionAhead(nn.Module):
    """Attention to features of the rows above alone, which are there early, beside the row itself."""

    def __init__(self, inputs, parameters):
        super().__init__()
        self.attention = Chain(CausalConv2d(inputs, 6, (-1, -1), (-1, 1), last=1), CausalSelfAttention(6, 2))
        self.left = masked_conv(inputs, 6, 3, "A")
        self.shift = CausalConv2d(6, 6, (-2, -1), (-1, 1), last=1)
        self.out = Pointwise(6, parameters)

    def forward(self, x, y):
        attended = self.attention(x, y)
        return self.out(attended + self.left(x, y) + self.shift(attended, y), y)


@pytest.mark.parametrize("many", [1, 64])
@pytest.mark.parametrize("size", [(6, 5), (5, 9), (4, 2), (3, 1), (1, 4)])
@pytest.mark.parametrize("composed", [OwnPixel, PixelsToTheRight, AttentionAhead])
def test_unusual_compositions_are_drawn_exactly(monkeypatch, composed, size, many):
    monkeypatch.setattr(runs, "MANY", many)
    model, likelihood = network(size=size, levels=4)
    model.network = composed(model.inputs, model.parameters_per_pixel)
    randomise(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 3
    assert [str(r) for r in check_fast_sampler(model, likelihood) if not r.passed] == []


class Computing(nn.Module):
    """Does something between two causal layers that no symbol can do."""

    def __init__(self, inputs, compute):
        super().__init__()
        self.compute = compute
        self.first, self.rest = masked_conv(inputs, 4, 3, "A"), Pointwise(4, 3)

    def forward(self, x, y):
        return self.rest(self.compute(self.first(x, y)), y)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x + 1.0,
        lambda x: 1.0 + x,
        lambda x: x + torch.ones(1, 1, 4, 5),
        lambda x: (x > 0) * x,
        lambda x: abs(x),
        lambda x: x // 0.5,
        lambda x: x[:, [1, 0, 3, 2]],
    ],
)
def test_what_is_not_made_of_causal_layers_is_drawn_by_the_reference_sampler(compute):
    model, likelihood = network()
    model.network = Computing(model.inputs, compute).double()
    with pytest.warns(UserWarning, match="slow"):
        drawn = sample(model, likelihood, 2, seed=0)
    assert torch.equal(drawn.long(), ReferenceSampler(model, likelihood).draw(request(model, 2)).images)


def test_a_sum_that_broadcasts_channels_has_no_incremental_form():
    model, likelihood = network()
    first = masked_conv(model.inputs, 1, 3, "A")
    model.network = Chain(first, Residual(Pointwise(1, 4)), Pointwise(4, 3)).double()
    with pytest.warns(UserWarning, match="1 and of 4 channels"):
        sample(model, likelihood, 2, seed=0)


@pytest.mark.parametrize(("name", "hyperparameters"), VARIANTS)
def test_a_sampler_draws_batch_after_batch(name, hyperparameters):
    """Its memory and its prepared work serve again: nothing of a batch is left for the next."""
    model, likelihood = network(name, conditional=True, hyperparameters=hyperparameters)
    given = torch.randint(0, 3, (4, 1, 2, 5), generator=torch.Generator().manual_seed(0))
    first, other = request(model, 4, given=given), request(model, 4, seed=1, given=given.flip(0))
    other = dataclasses.replace(other, labels=1 - other.labels)
    smaller = request(model, 3, seed=2)
    samplers = [FastSampler(model, likelihood, order) for order in ORDERS]
    for asked in (first, other, smaller, first):
        expected = ReferenceSampler(model, likelihood).draw(asked)
        for sampler in samplers:
            drawn = sampler.draw(asked)
            assert torch.equal(drawn.images, expected.images)
            torch.testing.assert_close(drawn.parameters, expected.parameters, rtol=1e-8, atol=1e-9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.3
    expected = ReferenceSampler(model, likelihood).draw(first).images
    assert all(torch.equal(sampler.draw(first).images, expected) for sampler in samplers), "new weights"


class Captured(Recorder):
    """What capturing into a CUDA graph asks of recorded work: it runs once before, then unseen."""

    class Blind(TorchDispatchMode):
        """Refuses what would make a GPU wait for a value, or ask the CPU for one."""

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            name = str(function)
            waits = ("local_scalar_dense", "nonzero", "unique", "masked_select")
            assert not any(word in name for word in waits), name
            indices = args[1] if "aten.index" in name and isinstance(args[1], (list, tuple)) else []
            assert not any(i is not None and i.dtype == torch.bool for i in indices), f"{name} with a mask"
            return function(*args, **(kwargs or {}))

    def __init__(self, device):
        super().__init__(device)
        self.captures = True

    def warm_up(self, run):
        run()

    def capture(self, run):
        def replay():
            with self.Blind():
                run()

        return replay


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("name", "hyperparameters"), VARIANTS)
def test_recorded_work_can_be_captured(monkeypatch, name, hyperparameters, order):
    monkeypatch.setattr(runs, "Recorder", Captured)
    model, likelihood = network(name, conditional=True, hyperparameters=hyperparameters)
    sampler = FastSampler(model, likelihood, order)
    given = torch.randint(0, 3, (5, 1, 1, 5), generator=torch.Generator().manual_seed(0))
    for seed, rows in ((0, None), (1, None), (2, None), (0, given), (1, given)):
        asked = request(model, 5, seed=seed, given=rows)
        drawn = sampler.draw(asked)
        assert torch.equal(drawn.images, ReferenceSampler(model, likelihood).draw(asked).images)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("name", "hyperparameters"), VARIANTS)
def test_a_gpu_draws_the_same(name, hyperparameters, order):
    model, likelihood = network(name, conditional=True, hyperparameters=hyperparameters)
    on_gpu = copy.deepcopy(model).cuda()
    sampler = FastSampler(on_gpu, likelihood, order)
    for seed in (0, 1, 2):
        asked = request(model, 5, seed=seed)
        moved = {key: getattr(asked, key).cuda() for key in ("noise", "labels", "given")}
        drawn = sampler.draw(dataclasses.replace(asked, **moved))
        assert torch.equal(drawn.images.cpu(), ReferenceSampler(model, likelihood).draw(asked).images)


def test_parameters_are_given_only_if_asked_for():
    model, likelihood = network()
    asked = dataclasses.replace(request(model, 2), with_parameters=False)
    assert FastSampler(model, likelihood).draw(asked).parameters is None


# Planted faults in the incremental form: each is what a slip of the pen would make.


def stale_lines(monkeypatch):
    monkeypatch.setattr(Ring, "outside", lambda self, front: None)


def stale_batch(monkeypatch):
    genuine = Ring.reset

    def reset(self, images, channels, like):
        if not self._fronts:
            genuine(self, images, channels, like)

    monkeypatch.setattr(Ring, "reset", reset)


def memory_given_away_too_early(monkeypatch):
    genuine = incremental._assign_scratch

    def assign(operations, output):
        genuine(operations, output)
        for operation in operations:
            operation.output.scratch = operation.output.channels

    monkeypatch.setattr(incremental, "_assign_scratch", assign)


def taps_in_another_order(monkeypatch):
    genuine = CausalConv2d.incremental

    def swapped(self, x, y):
        self.taps = self.taps[::-1]
        try:
            return genuine(self, x, y)
        finally:
            self.taps = self.taps[::-1]

    monkeypatch.setattr(CausalConv2d, "incremental", swapped)


def one_front_too_early(monkeypatch):
    genuine = Wavefront.offset
    monkeypatch.setattr(Wavefront, "offset", lambda self, dr, dc: (genuine(self, dr, dc)[0] - (dr < 0), dr))


@pytest.mark.parametrize(
    "plant",
    [stale_lines, stale_batch, memory_given_away_too_early, taps_in_another_order, one_front_too_early],
)
def test_a_planted_fault_of_the_sampler_is_caught(monkeypatch, plant):
    model, likelihood = network(size=(6, 5))
    assert all(result.passed for result in check_fast_sampler(model, likelihood))
    plant(monkeypatch)
    assert not all(result.passed for result in check_fast_sampler(model, likelihood))


@pytest.mark.parametrize("training", [True, False])
def test_sampling_runs_in_evaluation_mode_and_leaves_the_mode_as_it_was(training):
    model, likelihood = network(size=(3, 2))
    modes = []
    model.train(training)
    sample(model, likelihood, 2, seed=0, on_progress=lambda *_: modes.append(model.network.training))
    assert set(modes) == {False} and model.training == model.network.training == training


def test_noise_is_that_of_the_seed_named_sampling():
    key = int(hashlib.sha256(b"6/sampling").hexdigest()[:16], 16) // 2
    expected = np.random.Generator(np.random.Philox(key=[key, 9])).random((1, 3, 4))
    noise = pixel_noise(6, 8, 2, (1, 3, 4))
    assert noise.dtype == torch.float64 and noise[1].tolist() == expected.tolist()


def table(size):
    """A conditional model of binary images whose pixels are independent: p(1) by class is a table."""
    variant = VariantSpec("independent", conditional=True, hyperparameters={"gain": 1.0})
    model, likelihood = registry.build_model(registry.resolve(variant), ImageSpec(1, *size, 2, 2))
    logits = np.random.default_rng(1).normal(size=(2, 1, *size))
    with torch.no_grad():
        model.network.weight.copy_(torch.from_numpy(logits))
    return model, likelihood, logits


def test_samples_in_the_file_are_drawn_as_asked_for(tmp_path):
    model, likelihood, logits = table((3, 4))
    y = labels_for(5, 2, None)
    assert y.tolist() == [0, 1, 0, 1, 0] and labels_for(3, 2, [1]).tolist() == [1, 1, 1]
    draw_samples(
        model,
        likelihood,
        5,
        y,
        tmp_path / "a.npz",
        tmp_path / "a.png",
        seed=4,
        temperature=0.25,
        batch_size=2,
    )
    noise = pixel_noise(4, 0, 5, (1, 3, 4)).numpy()
    with np.load(tmp_path / "a.npz") as found:
        assert found["images"].tolist() == (noise < 1 / (1 + np.exp(-4 * logits[y]))).astype(int).tolist()
        assert found["labels"].tolist() == y.tolist() and found["seed"] == 4


@pytest.mark.parametrize(("size", "rows"), [((7, 5), 3), ((6, 5), 3), ((2, 3), 1)])
@pytest.mark.parametrize("wanted", [None, [1]])
def test_the_lower_half_of_test_images_is_completed_four_times_by_the_model(tmp_path, size, rows, wanted):
    model, likelihood, logits = table(size)
    random = np.random.default_rng(2)
    test = Split(random.integers(0, 2, (5, 1, *size), dtype=np.uint8), np.array([1, 0, 0, 1, 1]))
    files = tmp_path / "c.npz", tmp_path / "c.png"
    draw_completions(model, likelihood, test, 3, wanted, *files, seed=4, temperature=0.5)
    originals = test.images[[1, 0, 2]]  # classes in turn
    told = np.array([0, 1, 0] if wanted is None else [1, 1, 1])
    noise = pixel_noise(4 + 1_000_003, 0, 12, (1, *size)).numpy()  # never that of the samples
    drawn = noise < 1 / (1 + np.exp(-2 * logits[told.repeat(4)]))
    expected = drawn.reshape(3, 4, 1, *size).astype(int)
    expected[:, :, :, :rows] = originals[:, None, :, :rows]
    with np.load(files[0]) as found:
        assert found["given_rows"] == rows and found["seed"] == 4
        assert found["originals"].tolist() == originals.tolist()
        assert found["completions"].tolist() == expected.tolist()
        assert found["labels"].tolist() == told.tolist()


def test_noise_is_keyed_by_image_and_uniform():
    noise = pixel_noise(3, 0, 200, (1, 6, 6))
    assert torch.equal(pixel_noise(3, 150, 10, (1, 6, 6)), noise[150:160])
    assert len(noise.unique()) == noise.numel()
    assert noise.mean().item() == pytest.approx(0.5, abs=0.02) and noise.min() >= 0 and noise.max() < 1


@pytest.mark.parametrize(
    ("conditional", "n", "y", "said"),
    [
        (False, 0, None, "at least 1, got 0"),
        (False, 2, [0, 1], "unconditional"),
        (True, 2, None, r"needs labels, one of 0\.\.1"),
        (True, 2, [0], "2 labels"),
        (True, 2, [0, 2], r"0\.\.1, got 0\.\.2"),
        (True, 2, [-1, 0], r"0\.\.1, got -1"),
    ],
)
def test_bad_requests_are_refused(conditional, n, y, said):
    model, likelihood = network(conditional=conditional)
    with pytest.raises(UserError, match=said):
        sample(model, likelihood, n, seed=0, y=None if y is None else torch.tensor(y))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        ({"batch_size": 0}, "batch size must be at least 1, got 0"),
        ({"given": torch.zeros(2, 1, 5, 5).long()}, r"\[2, 1, rows up to 4, 5\], got \[2, 1, 5, 5\]"),
        ({"given": torch.zeros(3, 1, 2, 5).long()}, r"got \[3, 1, 2, 5\]"),
        ({"given": torch.zeros(2, 2, 5).long()}, r"got \[2, 2, 5\]"),
        ({"given": torch.full((2, 1, 2, 5), 3)}, r"levels 0\.\.2, got 3\.\.3"),
        ({"given": torch.zeros(2, 1, 2, 5)}, "integers"),
    ],
)
def test_other_bad_requests_are_refused(how, said):
    model, likelihood = network()
    with pytest.raises(UserError, match=said):
        sample(model, likelihood, 2, seed=0, **how)


@pytest.mark.parametrize(
    ("x", "said"), [(torch.zeros(1, 1, 4, 5), "integer"), (torch.zeros(1, 1, 5, 4).long(), "4, 5")]
)
def test_the_door_of_a_model_refuses_other_images(x, said):
    with pytest.raises(UserError, match=said):
        network()[0](x)


def test_a_grid_places_images_row_by_row(tmp_path):
    images = np.stack([np.full((1, 2, 3), i % 4, np.uint8) for i in range(12)])
    picture = grid(images, levels=4)
    tile_width, tile_height = picture.width / 10, picture.height / 2
    centres = [picture.getpixel((int((i + 0.5) * tile_width), int(0.5 * tile_height))) for i in range(4)]
    assert centres == [0, 85, 170, 255]
    assert picture.getpixel((int(1.5 * tile_width), int(1.5 * tile_height))) == 255, "image 11, second row"
    assert picture.getpixel((0, 0)) == 236, "the frame"
    save_grid(tmp_path / "grid.png", images, 4)
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_a_grid_of_completions_shows_what_was_given_the_completions_and_the_original():
    originals = np.full((3, 1, 4, 4), 3, np.uint8)
    completions = np.stack([np.full((3, 1, 4, 4), i, np.uint8) for i in (1, 2)], axis=1)
    picture = completion_grid(originals, completions, given_rows=2, levels=4)
    width, height = picture.width / 8, picture.height / 2

    def at(column, part):
        return picture.getpixel((int((column + 0.5) * width), int(part * height)))

    assert [at(i, 0.75) for i in range(4)] == [236, 85, 170, 255], "unknown, two completions, the original"
    assert at(0, 0.25) == 255, "the upper half was given"
