"""Muon against singular value decompositions, and what it takes of a network."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.networks import VARIANTS, randomised
from torch import nn

from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.data.preparation import prepare
from pixelcnn.layers.base import CausalLayer
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.models.registry import build_model
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training.loop import Observer, fit, image_spec
from pixelcnn.training.optimizers import AdamW, make_optimizer, matrices_of, orthogonalised

ROOT = Path(__file__).resolve().parents[2]
SPEC = TrainingSpec(epochs=1, optimizer="muon", learning_rate=0.3, adam_learning_rate=0.05, weight_decay=0.2)


def by_svd(matrix):
    """What five iterations of the quintic make of a matrix, by its singular values alone."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / (np.linalg.norm(values) + 1e-7)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left * values @ right


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 6)])
def test_orthogonalised_keeps_the_singular_vectors_and_takes_the_values_near_one(shape):
    matrices = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = orthogonalised(matrices)
    for before, after in zip(matrices, found, strict=True):
        assert after.numpy() == pytest.approx(by_svd(before.numpy()), abs=1e-10)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.25


class Masked(CausalLayer):
    """A filter some of whose entries a mask leaves out, other ones for every output."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(24, dtype=torch.float64).reshape(3, 4, 1, 2).sin())
        self.mask = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).reshape(3, 1, 1, 2)

    def matrices(self):
        return [(self.weight, self.mask)]


class Free(CausalLayer):
    """Two filters, one wide and one tall, and a vector that is not told of."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Parameter(torch.arange(12, dtype=torch.float64).reshape(2, 3, 2, 1).cos())
        self.tall = nn.Parameter(torch.arange(10, dtype=torch.float64).reshape(5, 2, 1, 1).cos())
        self.vector = nn.Parameter(torch.ones(3, dtype=torch.float64))

    def matrices(self):
        return [(self.wide, None), (self.tall, None)]


def gradients(parameters, step, seed=0):
    noise = torch.Generator().manual_seed(100 * seed + step)
    return {k: torch.randn(v.shape, generator=noise, dtype=v.dtype) for k, v in parameters.items()}


def test_five_steps_of_muon_are_those_of_the_formulas():
    network = nn.ModuleDict({"masked": Masked(), "free": Free()})
    parameters, matrices = dict(network.named_parameters()), matrices_of(network)
    mask = network["masked"].mask.expand(3, 4, 1, 2).numpy()
    expected = {k: v.detach().numpy().copy() for k, v in parameters.items()}
    momentum = {k: np.zeros_like(expected[k]) for k in matrices}
    scales = {"masked.weight": 1.0, "free.wide": 1.0, "free.tall": math.sqrt(5 / 2)}
    alone = nn.Parameter(network["free"].vector.detach().clone())
    adam = torch.optim.AdamW([alone], lr=0.05, weight_decay=0.2)
    optimizer = make_optimizer(parameters, matrices, SPEC)
    for step, factor in enumerate([0.25, 1.0, 0.8, 0.5, 0.1]):
        found = gradients(parameters, step)
        found["masked.weight"] *= network["masked"].mask
        optimizer.step({k: v.clone() for k, v in found.items()}, factor)
        for name in matrices:
            gradient = found[name].numpy()
            momentum[name] = 0.95 * momentum[name] + gradient
            update = by_svd((gradient + 0.95 * momentum[name]).reshape(len(gradient), -1))
            update = scales[name] * update.reshape(gradient.shape) * (mask if name == "masked.weight" else 1)
            expected[name] = expected[name] * (1 - 0.3 * factor * 0.2) - 0.3 * factor * update
        alone.grad = found["free.vector"].clone()
        adam.param_groups[0]["lr"] = 0.05 * factor
        adam.step()
    for name in matrices:
        assert parameters[name].detach().numpy() == pytest.approx(expected[name], abs=1e-9), name
    assert torch.allclose(network["free"].vector, alone, rtol=1e-12)


def test_a_masked_tap_keeps_its_weight_and_counts_for_no_input():
    layer = masked_conv(2, 30, 3, "B").double()  # 2 x 5 of 2 x 6 entries a row are used
    parameters, before = dict(layer.named_parameters()), layer.weight.detach().clone()
    optimizer = make_optimizer(parameters, matrices_of(layer), replace(SPEC, weight_decay=0))
    given = gradients(parameters, 0)
    given["weight"] *= layer.mask
    optimizer.step({k: v.clone() for k, v in given.items()}, 1.0)
    moved = layer.weight.detach() - before
    masked = (layer.mask == 0).expand_as(moved)
    assert masked.any() and torch.all(moved[masked] == 0)
    used = given["weight"][..., layer.mask.bool()].reshape(30, -1)
    expected = -0.3 * math.sqrt(30 / 10) * by_svd(used.numpy())
    assert moved[..., layer.mask.bool()].reshape(30, -1).numpy() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("name", "hyperparameters"), VARIANTS)
@pytest.mark.parametrize("conditional", [False, True])
def test_muon_takes_every_filter_but_those_that_give_parameters(name, hyperparameters, conditional):
    model, likelihood = randomised(name, hyperparameters, conditional=conditional)
    has_filters = name not in ("independent", "oracle")
    shapes = {k: v.ndim for k, v in model.named_parameters() if not k.endswith("maps")}
    filters = {k for k, ndim in shapes.items() if ndim == 4 and has_filters}
    last = {
        k for k in filters if dict(model.named_parameters())[k].shape[0] == likelihood.parameters_per_pixel
    }
    assert len(last) == has_filters
    assert set(matrices_of(model)) == filters - last


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam"])
def test_networks_with_a_leading_dimension_are_trained_as_each_alone(optimizer):
    spec = replace(SPEC, optimizer=optimizer)
    alone = [Masked(), Masked(), Masked()]
    matrices = matrices_of(alone[0])
    stacked = {"weight": torch.stack([one.weight.detach() for one in alone])}
    together = make_optimizer(stacked, matrices, spec)
    separate = [make_optimizer(dict(one.named_parameters()), matrices, spec) for one in alone]
    for step in range(4):
        given = [gradients(dict(one.named_parameters()), step, seed) for seed, one in enumerate(alone)]
        if step == 2:
            given[1]["weight"].fill_(math.nan)  # which is its own affair
        for one, found in zip(separate, given, strict=True):
            one.step({k: v.clone() for k, v in found.items()}, 0.5)
        together.step({"weight": torch.stack([found["weight"] for found in given])}, 0.5)
    for i in (0, 2):
        assert torch.allclose(stacked["weight"][i], alone[i].weight, rtol=0, atol=1e-12)
    assert stacked["weight"][1].isnan().all()


def test_adam_is_that_of_torch_also_where_a_weight_took_no_part():
    ours, theirs = ({"a": torch.ones(3), "b": torch.ones(2, 2)} for _ in range(2))
    leaves = [value.requires_grad_() for value in theirs.values()]
    reference, optimizer = torch.optim.AdamW(leaves, lr=0.1, weight_decay=0.0), AdamW(ours, 0.1, 0.0)
    for step in range(3):
        given = gradients(ours, step) | {"b": torch.zeros(2, 2)}
        for leaf, value in zip(leaves, given.values(), strict=True):
            leaf.grad = value.clone()
        reference.step()
        optimizer.step(given, 1.0)
    for name, value in ours.items():
        assert torch.allclose(value, theirs[name].detach(), rtol=1e-6), name
    assert torch.equal(ours["b"], torch.ones(2, 2))


def test_the_default_recipe_learns_in_two_epochs_what_adam_did_not(tmp_path):
    """Under AdamW the best of the learning rates and batch sizes tried came to 120.1, see docs/recipe.md."""
    benchmark = load_resolved(ROOT / "config.yaml")
    spec = benchmark.run("mnist5k-14x14", "pixelcnn", 0)
    spec = replace(spec, training=replace(spec.training, epochs=2, precision="float32"))
    data = prepare(spec.dataset, Path("unused"))
    model, _ = build_model(spec.variant, image_spec(data), seed=derived_seed(0, "initialisation"))
    lines = []
    fit(
        model, data, spec,
        run_dir=tmp_path, device=torch.device("cpu"), observer=Observer(epoch=lines.append),
    )  # fmt: skip
    assert lines[-1]["valid_nll"] < 119
