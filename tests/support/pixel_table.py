"""Trainings of a model of independent pixels, which take a moment, and a signal at any place in them."""

from __future__ import annotations

import signal
from dataclasses import replace

import torch
from support.small import prepared, run_spec

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.training.loop import Observer, fit

CPU = torch.device("cpu")
DATA = replace(prepared(20), sha256="a1" * 32)
EVERY_EPOCH = SavingSpec(minutes=None, epochs=1)


def spec(**training):
    return run_spec("independent", **{"epochs": 2, "batch_size": 8, "precision": "float32"} | training)


def train(run_dir, asked=None, data=DATA, *, model=None, saving=None, **observed):
    asked = asked or spec()
    built, _ = registry.build_model(
        asked.variant, ImageSpec(*data.shape, levels=data.levels, classes=data.classes)
    )
    observer = Observer(**observed)
    return fit(model or built, data, asked, run_dir=run_dir, device=CPU, saving=saving, observer=observer)


def stop_at(call):
    """A signal that comes at the `call`-th time that a training asks for one."""
    asked = iter([None] * (call - 1) + [signal.SIGTERM])
    return lambda: next(asked)
