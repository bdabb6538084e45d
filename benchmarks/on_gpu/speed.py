"""Measurements: images a second and peak memory of training and of sampling."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from benchmarks.on_gpu.lines import Line, Setting, impossible, line_of
from benchmarks.on_gpu.networks import SMALL, variant
from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.models.registry import build_model
from pixelcnn.sampling.fast import FastSampler
from pixelcnn.sampling.request import Request
from pixelcnn.system import devices
from pixelcnn.system.seeding import pixel_noise
from pixelcnn.training.stacked import StackedStep
from pixelcnn.training.step import TrainingStep

STACKS = (1, 2, 4, 8, 16)
PRECISIONS = ("float32", "bfloat16")
#: Modes of torch.compile; the second captures CUDA graphs.
COMPILED = ("default", "reduce-overhead")
#: Seconds of steps that are timed, after steps that are not; a compiled step first compiles.
SECONDS, WARM_UP = 2.0, 5


@dataclass(frozen=True)
class Network:
    """What is trained, and how many images a step."""

    name: str
    model: str
    size: int
    levels: int
    batch: int
    hyperparameters: dict[str, Any]

    def built(self, seed: int, device: torch.device) -> tuple[AutoregressiveModel, Likelihood]:
        spec = variant(self.model, levels=self.levels, **self.hyperparameters)
        model, likelihood = build_model(spec, ImageSpec(1, self.size, self.size, self.levels), seed=seed)
        moved: AutoregressiveModel = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return moved.train(), likelihood

    @property
    def images(self) -> str:
        return f"{self.name}, {self.batch} a step"


WIDE = {"channels": 32, "blocks": 10, "head_channels": 64}
NETWORKS = (
    Network("pixelcnn 14x14, 16 levels", "pixelcnn", 14, 16, 16, {"channels": 24, "blocks": 4}),
    Network("pixelcnn 28x28, binary", "pixelcnn", 28, 2, 64, WIDE),
    Network("gated 28x28, binary", "gated", 28, 2, 64, {"channels": 24, "blocks": 5}),
    Network("attention 28x28, binary", "attention", 28, 2, 64, {"channels": 32, "blocks": 4}),
)
TINY = (Network("pixelcnn 5x5, binary", "pixelcnn", 5, 2, 4, SMALL),)


def training(setting: Setting) -> Iterator[Line]:
    """Steps of one seed as it is and compiled, and of several seeds stacked."""
    for network in TINY if setting.quick else NETWORKS:
        for precision in PRECISIONS:
            yield from _lines(setting, network, precision, "eager", _eager)
            for mode in COMPILED:
                yield from _compiled(setting, network, precision, mode)
            for k in STACKS[:3] if setting.quick else STACKS:
                yield from _lines(setting, network, precision, f"stacked seeds: {k}", _stacked(k))


#: A step on made-up images, and how many images that is.
Step = tuple[Callable[[], object], int]
Maker = Callable[[Network, str, torch.device], Step]


def _random(network: Network, device: torch.device, *stack: int) -> torch.Tensor:
    shape = (*stack, network.batch, 1, network.size, network.size)
    return torch.randint(0, network.levels, shape, device=device)


def _eager(network: Network, precision: str, device: torch.device) -> Step:
    model, _ = network.built(0, device)
    step = TrainingStep(model, TrainingSpec(epochs=1), 10**6, precision)
    x = _random(network, device)
    return lambda: step(x, None), network.batch


def _stacked(k: int) -> Maker:
    def make(network: Network, precision: str, device: torch.device) -> Step:
        models = [network.built(seed, device) for seed in range(k)]
        step = StackedStep([m for m, _ in models], TrainingSpec(epochs=1), 10**6, precision)
        x = _random(network, device, k)
        return lambda: step(x, None), k * network.batch

    return make


def _compiled(setting: Setting, network: Network, precision: str, mode: str) -> Iterator[Line]:
    def make(network: Network, precision: str, device: torch.device) -> Step:
        model, _ = network.built(0, device)
        step = TrainingStep(model, TrainingSpec(epochs=1), 10**6, precision)
        model.compile(mode=mode)
        x = _random(network, device)
        return lambda: step(x, None), network.batch

    way = f"torch.compile, {mode}"
    if setting.quick:
        yield impossible(_what(network, precision, way), "left out by --quick")
    elif mode == "reduce-overhead" and setting.device.type != "cuda":
        yield impossible(_what(network, precision, way), "CUDA graphs are of GPUs")
    else:
        yield from _lines(setting, network, precision, way, make)


def _what(network: Network, precision: str, way: str) -> str:
    return f"training, {network.images}, {precision}, {way}"


def _lines(setting: Setting, network: Network, precision: str, way: str, make: Maker) -> Iterator[Line]:
    """Images a second, of all seeds together, and the peak of memory."""
    what, memory = _what(network, precision, way), 0

    def measure() -> Line:
        nonlocal memory
        devices.forget_peak_memory(setting.device)
        step, images = make(network, precision, setting.device)
        speed = images / _seconds(step, setting)
        memory = devices.peak_memory_bytes(setting.device)
        return Line(what, f"{speed:,.0f}", "images/s")

    yield line_of(what, measure)
    if memory:
        yield Line(
            what, f"{memory / 2**20:,.0f}", "MiB, peak" if setting.device.type == "cuda" else "MiB, process"
        )


def _seconds(work: Callable[[], object], setting: Setting) -> float:
    """Mean seconds of one call; a GPU is waited for at the end of all of them only."""
    enough, warm_up = (0.0, 1) if setting.quick else (SECONDS, WARM_UP)
    for _ in range(warm_up):
        work()
    devices.synchronize(setting.device)
    started, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - started < enough:
        for _ in range(1 if setting.quick else 10):
            work()
            calls += 1
        devices.synchronize(setting.device)
    return (time.perf_counter() - started) / calls


def sampling(setting: Setting) -> Iterator[Line]:
    """Batches of the fast sampler: the second one captures graphs on a GPU, the third is timed."""
    for network in TINY if setting.quick else NETWORKS:
        for n in (4,) if setting.quick else (16, 256):
            what = f"sampling, {network.name}, {n} together, float32"
            yield line_of(what, partial(_sampled, what, network, n, setting))


def _sampled(what: str, network: Network, n: int, setting: Setting) -> Line:
    model, likelihood = network.built(0, setting.device)
    sampler = FastSampler(model.eval(), likelihood)
    noise = pixel_noise(0, 0, n, model.image_shape).to(setting.device)
    given = torch.zeros(n, 1, 0, network.size, dtype=torch.long, device=setting.device)
    for _ in range(2):
        sampler.draw(Request(noise, None, given))
    seconds = _seconds(lambda: sampler.draw(Request(noise, None, given)), setting)
    return Line(what, f"{n / seconds:,.0f}", "images/s")
