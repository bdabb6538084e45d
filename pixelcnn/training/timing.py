"""Seconds of a piece of work, and training steps that can be timed without images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.preparation import check_dataset
from pixelcnn.models.base import ImageSpec
from pixelcnn.models.registry import build_model
from pixelcnn.system import devices
from pixelcnn.training.step import TrainingStep


def seconds_of(work: Callable[[], object], device: torch.device, times: int = 1) -> float:
    """Seconds of one piece of work, of so many done one after the other."""
    devices.synchronize(device)
    started = time.perf_counter()
    for _ in range(times):
        work()
    devices.synchronize(device)
    return (time.perf_counter() - started) / times


@dataclass(frozen=True)
class TimedStep:
    """A training step of a run's network at its batch size; calling it does one, on the same batch again."""

    spec: RunSpec
    precision: str
    step: TrainingStep
    x: Tensor
    y: Tensor | None

    def __call__(self) -> object:
        return self.step(self.x, self.y)


def timed_step(spec: RunSpec, precision: str, device: torch.device) -> TimedStep:
    """The step of a resolved run on images drawn evenly, for its speed does not depend on what they show.

    Needs no prepared data.

    Raises:
        UserError: if the network cannot be built.
        RunFailed: if memory runs out.
    """
    source = check_dataset(spec.dataset)
    image = ImageSpec(*source.shape(spec.dataset), spec.dataset.levels, source.classes)
    model, _ = build_model(spec.variant, image, seed=spec.seed)
    batch = spec.training.batch_size
    with devices.out_of_memory(devices.smaller("training.batch_size", batch)):
        model = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        generator = torch.Generator().manual_seed(0)
        shape = (batch, image.channels, image.height, image.width)
        x = torch.randint(0, image.levels, shape, generator=generator).to(device)
        y = None
        if spec.variant.conditional and image.classes is not None:
            y = torch.randint(0, image.classes, (batch,), generator=generator).to(device)
        # How many steps there are in all decides the learning rate, and no time.
        step = TrainingStep(model, spec.training, 10**6, precision)
    return TimedStep(spec, precision, step, x, y)
