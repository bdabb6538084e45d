"""Recorded work: as a CUDA graph asks of it, batch after batch, and on a GPU where there is one."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from support.networks import VARIANTS, network, request
from torch.utils._python_dispatch import TorchDispatchMode

from pixelcnn.sampling import runs
from pixelcnn.sampling.fast import ORDERS, FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.sampling.replay import Recorder


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
