"""Weight normalisation, and its start from the first batch."""

from __future__ import annotations

import copy
import itertools
import signal
from dataclasses import replace

import pytest
import torch
from support.small import SMALL, prepared, run_spec, small
from torch.nn.utils.parametrizations import weight_norm

from pixelcnn.invariants.architecture import Kind, check_kind
from pixelcnn.invariants.before_training import prove_no_leak
from pixelcnn.layers.base import CausalLayer, Chain
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.layers.pointwise import Pointwise
from pixelcnn.layers.resnet import LAST_GAIN, GatedResnet, down_right_convolution
from pixelcnn.layers.weight_norm import normalised, start_from, weight_normalised
from pixelcnn.models import registry
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.system.errors import Interrupted
from pixelcnn.training.driving import alone
from pixelcnn.training.loop import Observer, image_spec, training_loop
from pixelcnn.training.optimizers import matrices_of
from pixelcnn.training.stacked import stacked

NORMALISED = {**SMALL["gated"], "weight_norm": True}
DATA = prepared(labelled=False)
CPU = torch.device("cpu")


def test_a_normalised_layer_computes_what_torchs_own_does_and_trains_so():
    x = torch.randn(4, 3, 6, 5, dtype=torch.float64)
    ours = weight_normalised(Pointwise(3, 2).double())
    theirs = weight_norm(copy.deepcopy(Pointwise(3, 2).double().conv), dim=0)
    theirs.load_state_dict({k.removeprefix("conv."): v for k, v in ours.state_dict().items()})
    for layer in (lambda: ours(x, None), lambda: theirs(x)):
        layer().sin().sum().backward()
    torch.testing.assert_close(ours(x, None), theirs(x))
    gradients = {k.removeprefix("conv."): p.grad for k, p in ours.named_parameters()}
    assert len(gradients) == 3
    for name, weight in theirs.named_parameters():
        torch.testing.assert_close(gradients[name], weight.grad)


def test_a_network_computes_the_same_when_it_is_normalised_and_muon_leaves_it_alone():
    """With a mask, whose entries are no part of a length and stay zero as it trains."""
    network = Chain(masked_conv(2, 3, 3, "B"), GatedResnet(3, down_right_convolution, None))
    torch.manual_seed(0)
    x = torch.randn(2, 2, 5, 5)
    before, conv = network.layers[0](x, None), network.layers[0]
    weight_normalised(network)
    torch.testing.assert_close(conv(x, None), before)
    assert matrices_of(network) == {}
    assert all(not list(layer.matrices()) for layer in network.modules() if isinstance(layer, CausalLayer))
    length, v = (getattr(conv.parametrizations.weight, f"original{i}") for i in (0, 1))
    hidden = conv.mask.expand_as(v) == 0
    torch.testing.assert_close(length[:, 0, 0, 0].square(), (v * conv.mask).square().flatten(1).sum(dim=1))
    conv(x, None).sin().sum().backward()
    assert not v[hidden].any() and not v.grad[hidden].any() and v.grad[~hidden].all()


def test_a_network_whose_layers_are_normalised_passes_every_check():
    kind = Kind(True, 3, 1, "categorical", classes=2)
    results = list(check_kind("gated", NORMALISED, kind, height=4, width=6, tiny=[(1, 2)]))
    assert [str(result) for result in results if not result.passed] == []


def _by_channel(layer, out):
    return layer.measured(out).flatten(2).movedim(1, 0)


def statistics(model, x, y=None):
    """Mean and standard deviation of what each normalised layer gives, measured in a pass."""
    found = []
    hooks = [
        layer.register_forward_hook(lambda layer, x, out: found.append((layer, _by_channel(layer, out))))
        for layer, *_ in normalised(model)
    ]
    with torch.no_grad():
        model.eval()(x, y)
    for hook in hooks:
        hook.remove()
    return [
        (layer, out.flatten(1).mean(dim=1), out.flatten(1).std(dim=1, correction=0)) for layer, out in found
    ]


def assert_started(model, x, y=None):
    measured = statistics(model, x, y)
    assert len(measured) > 2
    for layer, mean, deviation in measured:
        assert mean.abs().max() < 1e-3, layer
        moving = deviation > 1e-4  # a channel may be constant: all its inputs are
        assert moving.any() and (deviation[moving] / layer.gain - 1).abs().max() < 1e-3, layer


def test_a_layer_with_a_gain_starts_with_that_deviation():
    torch.manual_seed(0)
    last = masked_conv(4, 4, 3, "B")
    last.gain = 0.3
    network = weight_normalised(Chain(masked_conv(2, 4, 3, "A"), Pointwise(4, 4, gain=0.1), last))
    x = torch.randn(8, 2, 6, 6)
    start_from(network, x, None)
    assert_started(network, x)
    assert [layer.gain for layer, *_ in normalised(network)] == [1, 0.1, 0.3]
    assert GatedResnet(4, down_right_convolution, None).second.gain == LAST_GAIN


class Watched:
    """A training whose network is looked at, and how often it began."""

    def __init__(self, monkeypatch) -> None:
        self.begun: list[AutoregressiveModel] = []
        genuine = AutoregressiveModel.begin
        monkeypatch.setattr(
            AutoregressiveModel,
            "begin",
            lambda model, batch: (self.begun.append(model), genuine(model, batch)),
        )

    def loop(self, folder, seed=0, **observed):
        spec = replace(
            run_spec("gated", seed=seed, learning_rate=0.01),
            variant=small("gated", weight_norm=True, dropout=0.2),
        )
        model, _ = registry.build_model(spec.variant, image_spec(DATA), seed=seed)
        return training_loop(model, DATA, spec, run_dir=folder, device=CPU, observer=Observer(**observed))


@pytest.fixture
def watched(monkeypatch) -> Watched:
    return Watched(monkeypatch)


def test_every_seed_starts_from_its_own_first_batch_and_so_does_its_average(tmp_path, watched):
    loops = [watched.loop(tmp_path / str(seed), seed, begin=prove_no_leak) for seed in (0, 1)]
    with torch.random.fork_rng():
        trainings = [next(loop) for loop in loops]
        batches = [next(loop)[0] for loop in loops]
        for loop in loops:
            loop.close()
    assert all(model.training for model in watched.begun)
    assert not torch.equal(*batches) and all(len(x) == 16 for x in batches)
    for part, x, other in zip(stacked([t.step for t in trainings]), batches, batches[::-1], strict=True):
        for model in (part.model, part.averaged):
            assert_started(model, x)
            with pytest.raises(AssertionError):
                assert_started(model, other)


def test_a_training_that_resumes_is_not_started_again_and_ends_the_same(tmp_path, watched):
    wanted = alone(watched.loop(tmp_path / "whole"), CPU)
    calls = itertools.count(1)
    with pytest.raises(Interrupted):
        stop = lambda: signal.SIGTERM if next(calls) >= 10 else None  # noqa: E731
        alone(watched.loop(tmp_path / "run", signal=stop), CPU)
    assert len(watched.begun) == 2
    result = alone(watched.loop(tmp_path / "run"), CPU)
    assert len(watched.begun) == 2
    for kind in ("weights", "ema_weights"):
        ours, theirs = getattr(result, kind), getattr(wanted, kind)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
