"""Checks: all is on the device, and gives the numbers, the images and the seeds that a CPU gives."""

from __future__ import annotations

import copy
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from benchmarks.on_gpu.lines import Line, Setting, impossible, judged, line_of
from benchmarks.on_gpu.networks import built, cases, images, prepared, run_spec, uncertain
from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.config.run_spec import TrainingSpec, VariantSpec
from pixelcnn.incremental.errors import NoForm
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.sampling.fast import ORDERS, FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.sampling.replay import Recorder
from pixelcnn.sampling.request import Drawn, Request
from pixelcnn.system.errors import Interrupted
from pixelcnn.system.seeding import pixel_noise
from pixelcnn.training.batches import Batches
from pixelcnn.training.loop import Observer, fit
from pixelcnn.training.stacked import StackedStep
from pixelcnn.training.step import TrainingStep

#: Of a log-likelihood in float32, as a share of it; a sum of float32 is exact to about 1e-6.
FLOAT32 = 1e-5
#: Of the norm of a gradient; bfloat16 rounds to 0.4 %, and sums in another order otherwise.
BFLOAT16 = 2e-2
STEPS, SEEDS, BATCH = 10, 3, 4


def placement(setting: Setting) -> Iterator[Line]:
    """After a training step nothing lies on another device."""
    for name, spec in cases():
        what = f"placement after a training step: {name}"
        yield line_of(what, partial(_placement, what, spec, setting.device))


def _placement(what: str, spec: VariantSpec, device: torch.device) -> Line:
    model, _ = built(spec)
    step = TrainingStep(model.to(device).train(), TrainingSpec(epochs=1), STEPS, "float32")
    x, y = next(Batches(prepared(), run_spec(spec), device).epoch())
    found = step(x, y)
    tensors = [*model.parameters(), *model.buffers(), *step.ema.model.parameters(), *step.ema.model.buffers()]
    tensors += [value for value in tree_leaves((x, y, found, step.state())) if isinstance(value, Tensor)]
    elsewhere = sum(tensor.device.type != device.type for tensor in tensors)
    return judged(what, not elsewhere, f"{elsewhere} of {len(tensors)}", "tensors elsewhere", "none")


def agreement(setting: Setting) -> Iterator[Line]:
    """The log-likelihood in float32 on the device is that in float64 on the CPU."""
    for name, spec in cases():
        what = f"log-likelihood, float32 here, float64 on the CPU: {name}"
        yield line_of(what, partial(_agreement, what, spec, setting.device))


@torch.no_grad()
def _agreement(what: str, spec: VariantSpec, device: torch.device) -> Line:
    model, likelihood = uncertain(spec)
    x, y = images(model, 20)
    exact = likelihood.log_prob(model(x, y), x).sum(dim=(1, 2))
    there = x.to(device), None if y is None else y.to(device)
    params = copy.deepcopy(model).float().to(device)(*there)
    found = likelihood.log_prob(params, there[0]).sum(dim=(1, 2)).cpu().double()
    worst = float(((found - exact) / exact).abs().max())
    return judged(what, worst < FLOAT32, f"{worst:.1e}", "largest share off", f"< {FLOAT32:.0e}")


# ------------------------------------------------------------------------------------ samplers


def samplers(setting: Setting) -> Iterator[Line]:
    """The fast sampler draws here what the reference sampler draws on the CPU; so do its captured graphs."""
    for name, spec in cases():
        for order in ORDERS:
            what = f"fast sampler, {order}: {name}"
            captured = f"captured graphs, {order}: {name}"
            try:
                model, likelihood = uncertain(spec)
                there = copy.deepcopy(model).to(setting.device)
                sampler, reference = (
                    FastSampler(there, likelihood, order),
                    ReferenceSampler(model, likelihood),
                )
            except NoForm as reason:
                yield impossible(what, f"no incremental form: {reason}")
                continue
            draw = _Draws(model, sampler, reference, setting.device)
            yield line_of(what, partial(draw.line, what, batches=1))
            if setting.device.type == "cuda":
                yield line_of(captured, partial(draw.captured, captured))
    if setting.device.type != "cuda":
        yield impossible("captured graphs", "CUDA graphs are of GPUs")


@dataclasses.dataclass
class _Draws:
    """One batch after the other, each with other noise and labels, from two samplers of a network."""

    model: AutoregressiveModel
    sampler: FastSampler
    reference: ReferenceSampler
    device: torch.device
    done: int = 0

    def request(self) -> Request:
        n, seed = 6, self.done
        _, labels = images(self.model, n, seed)
        given = images(self.model, n, seed)[0][:, :, :1]
        noise = pixel_noise(seed, 0, n, self.model.image_shape)
        return Request(noise, labels, given, with_parameters=True)

    def line(self, what: str, batches: int) -> Line:
        same, worst, n = 0, 0.0, 0
        for _ in range(batches):
            asked = self.request()
            expected, found = self.reference.draw(asked), self._drawn(asked)
            self.done += 1
            n += len(found.images)
            same += int((found.images.cpu() == expected.images).flatten(1).all(dim=1).sum())
            assert found.parameters is not None and expected.parameters is not None
            off = (found.parameters.cpu() - expected.parameters).abs().max()
            worst = max(worst, float(off / expected.parameters.abs().max()))
        good, figure = same == n and worst < 1e-9, f"{same} of {n}"
        return judged(what, good, figure, "images are the same", f"all (parameters off by {worst:.0e})")

    def _drawn(self, asked: Request) -> Drawn:
        labels = None if asked.labels is None else asked.labels.to(self.device)
        noise, given = asked.noise.to(self.device), asked.given.to(self.device)
        return self.sampler.draw(Request(noise, labels, given, with_parameters=True))

    def captured(self, what: str) -> Line:
        """Of the second batch and those after it, once graphs have been captured."""
        capture, captures = Recorder.capture, []

        def counted(recorder: Recorder, run: Callable[[], None]) -> Callable[[], None]:
            captures.append(run)
            return capture(recorder, run)

        with mock.patch.object(Recorder, "capture", counted):
            line = self.line(what, batches=3)
        if captures:
            return line
        return judged(what, False, "0", "graphs", "some that were captured")


# ------------------------------------------------------------------------------- several seeds


def stacked(setting: Setting) -> Iterator[Line]:
    """Several seeds in one step train as they do alone; one that fails leaves the others as they are."""
    for name, spec in cases():
        for what, fails in (
            (f"{SEEDS} seeds stacked and alone, {STEPS} steps: {name}", False),
            (f"the same, one seed being NaN: {name}", True),
        ):
            yield line_of(what, partial(_stacked, what, spec, setting, fails))
        what = f"the same in bfloat16, norm of the first gradient: {name}"
        yield line_of(what, partial(_stacked_in_bfloat16, what, spec, setting.device))


def _stacked(what: str, spec: VariantSpec, setting: Setting, fails: bool) -> Line:
    made = [built(spec, seed) for seed in range(SEEDS)]
    models = [model.double().to(setting.device).train() for model, _ in made]
    if fails:
        with torch.no_grad():
            next(models[1].parameters()).fill_(torch.nan)
    recipe = TrainingSpec(epochs=1, warmup_steps=2, gradient_clip=0.1)
    alone = [TrainingStep(copy.deepcopy(model), recipe, STEPS, "float32") for model in models]
    together = StackedStep(models, recipe, STEPS, "float32")
    for number in range(STEPS):
        given = [images(model, BATCH, SEEDS * number + seed) for seed, model in enumerate(models)]
        x = torch.stack([x for x, _ in given]).to(setting.device)
        labels = [y.to(setting.device) for _, y in given if y is not None]
        together(x, torch.stack(labels) if labels else None)
        for seed, step in enumerate(alone):
            step(x[seed], labels[seed] if labels else None)
    of_each = zip(together.ema.models, alone, strict=True)
    off = [_difference(model, step.ema.model) for model, step in of_each]
    worst = max(value for seed, value in enumerate(off) if not (fails and seed == 1))
    return judged(what, worst < 1e-9, f"{worst:.1e}", "largest difference", "< 1e-09")


def _stacked_in_bfloat16(what: str, spec: VariantSpec, device: torch.device) -> Line:
    made = [built(spec, seed) for seed in range(SEEDS)]
    models = [model.to(device).train() for model, _ in made]
    recipe, (x, y) = TrainingSpec(epochs=1), images(models[0], BATCH)
    x, y = x.to(device), None if y is None else y.to(device)
    alone = TrainingStep(copy.deepcopy(models[-1]), recipe, STEPS, "bfloat16")(x, y)[1]
    labels = None if y is None else y.expand(SEEDS, -1)
    step = StackedStep(models, recipe, STEPS, "bfloat16")
    _, norms = step(x.expand(SEEDS, *x.shape), labels)
    off = float((norms[-1] - alone).abs() / alone)
    return judged(what, off < BFLOAT16, f"{off:.1e}", "share off", f"< {BFLOAT16:.0e}")


def _difference(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).abs().max().nan_to_num(torch.inf)) for a, b in pairs)


# -------------------------------------------------------------------------------------- resume


def resume(setting: Setting) -> Iterator[Line]:
    """A training that was interrupted and resumed has the weights of one that was not."""
    chosen = [case for case in cases() if not setting.quick or case[0] == "gated, conditional"]
    for name, spec in chosen:
        for words, deterministic in (("as it trains", False), ("deterministic algorithms", True)):
            what = f"interrupted and resumed, {words}: {name}"
            yield line_of(what, partial(_resumed, what, spec, setting, deterministic))


def _resumed(what: str, spec: VariantSpec, setting: Setting, deterministic: bool) -> Line:
    torch.use_deterministic_algorithms(deterministic)
    try:
        whole, again = (_trained(spec, setting.device, stop_at=None) for _ in range(2))
        resumed = _trained(spec, setting.device, stop_at=7)
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        return impossible(what, str(error).splitlines()[0])
    finally:
        torch.use_deterministic_algorithms(False)
    off, twice = _apart(whole, resumed), _apart(whole, again)
    # Where two trainings without interruption differ, one with it cannot be held to more.
    good = off == 0 or (not deterministic and twice > 0)
    line = judged(what, good, f"{off:.1e}", "largest difference", f"0; undisturbed twice: {twice:.1e}")
    note = f" (not bit for bit; undisturbed twice: {twice:.1e})" if good and off else ""
    return dataclasses.replace(line, verdict=line.verdict + note)


def _trained(spec: VariantSpec, device: torch.device, stop_at: int | None) -> Checkpoint:
    run, data = run_spec(spec), prepared()
    with tempfile.TemporaryDirectory() as folder:

        def train(signal: Callable[[], int | None]) -> Checkpoint:
            model, _ = built(spec)
            saving, observer = SavingSpec(minutes=None), Observer(signal=signal)
            place = Path(folder)
            return fit(model, data, run, run_dir=place, device=device, saving=saving, observer=observer)

        if stop_at is not None:
            asked = iter([*[None] * stop_at, 15])
            try:
                train(lambda: next(asked))
            except Interrupted:
                pass
            else:
                raise RuntimeError("the training was not interrupted")
        return train(lambda: None)


def _apart(one: Checkpoint, other: Checkpoint) -> float:
    pairs = [(one.weights, other.weights), (one.ema_weights, other.ema_weights)]
    return max(float((a[key] - b[key]).abs().max()) for a, b in pairs for key in a)
