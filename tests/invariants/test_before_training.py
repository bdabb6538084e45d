"""The look for leaks that precedes a training: what it finds at any size, and what it leaves as it was."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from support import leaks
from support.covering import covered
from support.networks import VARIANTS
from torch import nn

from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.invariants import before_training
from pixelcnn.invariants.architecture import check_architecture
from pixelcnn.invariants.before_training import BOTH_MODES, find_leak, prove_no_leak
from pixelcnn.likelihoods.bernoulli import Bernoulli
from pixelcnn.models import registry
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.system.errors import RunFailed

TRAINED = ImageSpec(1, 14, 14, 16, 10)


def model_of(name, image=TRAINED, *, conditional=False, hyperparameters=None):
    variant = VariantSpec(name, conditional=conditional, hyperparameters=hyperparameters or {})
    return registry.build_model(registry.resolve(variant), image)[0]


@pytest.mark.parametrize(
    ("variant", "size", "conditional"),
    covered([*itertools.product(VARIANTS, [(8, 9, 2), (5, 4, 256), (1, 1, 2)], (False, True))]),
)
def test_every_architecture_is_proved_at_any_size(variant, size, conditional):
    name, hyperparameters = variant
    image = ImageSpec(1, *size, classes=3)
    assert find_leak(model_of(name, image, conditional=conditional, hyperparameters=hyperparameters)) is None


@pytest.mark.parametrize("kind", leaks.RIGHT)
def test_what_is_no_leak_passes(tmp_path, kind):
    prove_no_leak(model_of(leaks.network(tmp_path, leaks.RIGHT[kind])))


@pytest.mark.parametrize("kind", leaks.HIDDEN)
def test_a_leak_that_small_images_do_not_show_is_found_at_the_size_that_is_trained(tmp_path, kind):
    path = leaks.network(tmp_path, leaks.HIDDEN[kind])
    with pytest.raises(RunFailed, match=r"pixel \(\d+, \d+\) changes .* \(evaluation mode, 14x14, 16"):
        prove_no_leak(model_of(path))
    failed = [r for r in check_architecture(path, {}, height=4, width=3) if not r.passed]
    assert {result.name.split(" (")[0] for result in failed} == {BOTH_MODES}
    assert all("changes the parameters of pixel" in result.detail for result in failed)


def test_a_leak_is_told_by_the_pixels_that_it_is_between(tmp_path):
    line = "h = h + F.pad(pixel, (0, 0, 0, 3))[:, :, 3:] * (columns == 9)"  # three rows further on
    found = find_leak(model_of(leaks.network(tmp_path, line)))
    places = [int(part) for part in "".join(c if c.isdigit() else " " for c in found).split()[:4]]
    assert places[0] == places[2] + 3 and places[1] == places[3] == 9


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("batch norm", "parameters change with the other images of the batch, as under batch normalisation"),
        ("batch", "parameters change with the other images of the batch"),
        ("group norm", "changes the parameters of pixel"),
    ],
)
def test_a_leak_of_training_mode_alone_is_found(tmp_path, kind, said):
    found = find_leak(model_of(leaks.network(tmp_path, leaks.WHILE_TRAINING[kind])))
    assert said in found and "(training mode" in found


class Own(nn.Module):
    """Pixels of a mask see themselves, and no pixel sees another."""

    def __init__(self, mask):
        super().__init__()
        self.weight, self.mask = nn.Parameter(torch.ones(())), mask

    def forward(self, x, y):
        return self.weight * self.mask * x[:, :1]


class Model(AutoregressiveModel):
    def build(self, mask):
        return Own(mask)


SIZE = 28
ALONE = [("row", i) for i in range(SIZE)] + [("column", i) for i in range(SIZE)]
ALONE += [("pixel", 0), ("pixel", SIZE * SIZE - 1)]


@pytest.mark.parametrize(("what", "number"), ALONE)
def test_every_row_every_column_and_the_first_and_last_pixel_are_looked_at(what, number):
    mask = torch.zeros(SIZE, SIZE)
    {"row": mask[number % SIZE], "column": mask[:, number % SIZE], "pixel": mask.view(-1)[number]}[
        what
    ].fill_(1)
    found = find_leak(Model(mask, ImageSpec(1, SIZE, SIZE, 2), Bernoulli()))
    assert found is not None and "(evaluation mode, 28x28, 2 levels)" in found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("h = h + float(np.random.rand())", "what layers draw must come from torch's own generators"),
        ("h = h * self.moving; self.moving = self.moving + 1", "they keep nothing from pass to pass"),
        ("h = h * torch.tensor(torch.nan)", "with random weights the parameters are not numbers"),
        ("h = h.chanels", "AttributeError: 'Tensor' object has no attribute 'chanels' (own.py, line 30)"),
    ],
)
def test_what_cannot_be_proved_is_refused_in_one_sentence(tmp_path, line, said):
    with pytest.raises(RunFailed) as error:
        prove_no_leak(model_of(leaks.network(tmp_path, line)))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_memory_of_a_gpu_that_does_not_suffice_is_that_of_the_cpu_then(monkeypatch):
    looked_at, genuine = [], before_training.find_leak

    def short_of_memory(model):
        looked_at.append(model)
        if len(looked_at) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return genuine(model)

    monkeypatch.setattr(before_training, "find_leak", short_of_memory)
    with pytest.raises(RunFailed, match="the network leaks"):
        prove_no_leak(Model(torch.ones(3, 3), ImageSpec(1, 3, 3, 2), Bernoulli()))
    assert len(looked_at) == 2 and looked_at[0] is not looked_at[1]
    monkeypatch.setattr(before_training, "find_leak", lambda model: torch.empty(2**60))
    with pytest.raises(RunFailed, match="the CPU is out of memory"):
        prove_no_leak(Model(torch.ones(3, 3), ImageSpec(1, 3, 3, 2), Bernoulli()))


@pytest.mark.parametrize("kind", ["dropout", "buffer", "plain"])
def test_the_network_and_the_generators_are_left_as_they_were(tmp_path, kind):
    model = model_of(leaks.network(tmp_path, leaks.RIGHT[kind])).train()
    before, generator = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    prove_no_leak(model)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(torch.get_rng_state(), generator)
    assert model.training and all(p.grad is None and p.requires_grad for p in model.parameters())
