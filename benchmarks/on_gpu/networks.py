"""Networks and images that are made up; nothing here needs pydantic, which a bare GPU machine lacks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelcnn.config.run_spec import DatasetSpec, RunSpec, TrainingSpec, VariantSpec, likelihood_for
from pixelcnn.data.contract import Split
from pixelcnn.data.prepared import PreparedData
from pixelcnn.invariants.leaks import randomise
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models import registry
from pixelcnn.models.base import AutoregressiveModel, ImageSpec

#: Of every architecture those that it has; the others stay at their defaults.
SMALL: dict[str, Any] = {"channels": 8, "blocks": 2, "heads": 2, "first_kernel_size": 5, "head_channels": 8}
LEVELS, CLASSES, SIZE = 3, 2, (6, 7)


def variant(name: str, conditional: bool = False, levels: int = LEVELS, **wanted: Any) -> VariantSpec:
    """A resolved variant, with the hyper-parameters of `wanted` that its architecture has."""
    _, described_by = registry.find_architecture(name)
    known = {field.name for field in dataclasses.fields(described_by)}
    chosen = described_by(**{key: value for key, value in wanted.items() if key in known})
    return VariantSpec(name, conditional, likelihood_for("auto", levels), dataclasses.asdict(chosen))


def cases() -> Iterator[tuple[str, VariantSpec]]:
    """Every registered architecture, unconditional and conditional, small; and a dilated one."""
    for name in registry.names():
        for conditional in (False, True):
            yield f"{name}{', conditional' * conditional}", variant(name, conditional, **SMALL)
    yield "pixelcnn, dilated", variant("pixelcnn", **{**SMALL, "blocks": 3, "dilations": (1, 2, 4)})


def built(spec: VariantSpec, seed: int = 0) -> tuple[AutoregressiveModel, Likelihood]:
    """A small network on the CPU as a training begins with it, and its likelihood."""
    model, likelihood = registry.build_model(spec, ImageSpec(1, *SIZE, LEVELS, CLASSES), seed=seed)
    return model.to(memory_format=torch.channels_last), likelihood


def uncertain(spec: VariantSpec) -> tuple[AutoregressiveModel, Likelihood]:
    """The same in float64 with weights with which no pixel is certain, so that every draw matters."""
    model, likelihood = built(spec)
    model = randomise(model)
    with torch.no_grad():
        spread = model(*images(model, 20)).std()
        for last in list(model.parameters())[-2:]:
            last.div_(spread if spread > 0 else 1)
    return model, likelihood


def images(model: AutoregressiveModel, n: int, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """Random images int64 [n, C, H, W] and labels int64 [n] or None, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    classes = model.image.classes
    x = torch.randint(0, model.image.levels, (n, *model.image_shape), generator=generator)
    return x, None if classes is None else torch.randint(0, classes, (n,), generator=generator)


def prepared() -> PreparedData:
    """A dataset of a few random images, labelled."""
    random = np.random.default_rng(0)
    splits = {
        name: Split(
            random.integers(0, LEVELS, (n, 1, *SIZE)).astype(np.uint8),
            random.integers(0, CLASSES, n).astype(np.int64),
        )
        for name, n in {"train": 40, "valid": 10, "test": 10}.items()
    }
    return PreparedData(splits, LEVELS, CLASSES, False, dataset(), "0" * 64)


def dataset() -> DatasetSpec:
    return DatasetSpec("made_up", None, LEVELS)


def run_spec(of: VariantSpec) -> RunSpec:
    """A training of two passes in ten steps."""
    training = TrainingSpec(epochs=2, batch_size=8, warmup_steps=2, precision="float32")
    return RunSpec("gpu", "made_up", of.model, 0, dataset(), of, training)
