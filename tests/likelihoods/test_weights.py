"""The weights of a likelihood are the model's: counted, trained, averaged, saved, exported."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from support.small import prepared, run_spec
from torch.utils.flop_counter import FlopCounterMode

from pixelcnn.data.contract import Split
from pixelcnn.evaluation import export
from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.models.registry import build_model
from pixelcnn.models.size import size_of
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.training.loop import fit, image_spec

LEVELS = 40


def colour(split: Split) -> Split:
    """Red is as it was, green the opposite, blue as dark as both allow."""
    red = split.images
    return Split(np.concatenate([red, LEVELS - 1 - red, red // 2], axis=1), split.labels)


def test_they_go_through_a_training_into_the_checkpoint_and_the_exported_model(tmp_path):
    grey = prepared(levels=LEVELS, n=60)
    splits = {name: colour(split) for name, split in grey.splits.items()}
    data = dataclasses.replace(grey, splits=splits)
    spec = run_spec(epochs=2, learning_rate=0.02)
    variant = dataclasses.replace(
        spec.variant, likelihood="categorical", likelihood_hyperparameters={"rank": 4}
    )
    spec = dataclasses.replace(spec, variant=variant)
    model, likelihood = build_model(variant, image_spec(data))
    started = {name: value.clone() for name, value in likelihood.state_dict().items()}
    count = sum(value.numel() for value in started.values())
    assert count == 3 * 4 * 4 + 3 * LEVELS * 4 + 3 * LEVELS
    without = sum(value.numel() for value in model.network.parameters())
    parameters, multiply_adds = size_of(model)
    assert parameters == without + count
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, *data.shape, dtype=torch.long))
    read_out, tables = 6 * 6 * 3 * 4 * LEVELS, 3 * LEVELS * 4 * 4
    assert multiply_adds == counter.get_total_flops() // 2 + read_out + tables
    fit(model, data, spec, run_dir=tmp_path, device=torch.device("cpu"))
    found = checkpoint.load(RunFolder(tmp_path).checkpoint)
    for name, start in started.items():
        key = f"likelihood.{name}"
        assert not torch.equal(found.weights[key], start), f"{key} is not trained"
        assert not torch.equal(found.weights[key], found.ema_weights[key]), f"{key} is not averaged"
    averaged, of_averaged = found.model()
    assert of_averaged is averaged.likelihood
    nll = evaluate(averaged, of_averaged, data.splits["valid"]).nll
    best = min(line["valid_nll"] for line in RunFolder(tmp_path).history())
    assert nll == pytest.approx(best, rel=1e-5)
    export.save(found, data, tmp_path / "model.safetensors")
    exported = export.load(tmp_path / "model.safetensors").checkpoint.model()
    assert evaluate(*exported, data.splits["valid"]).nll == nll
