"""Training one run: the loop, its schedule, its averaged weights, and the records it leaves."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pixelcnn import checkpoint, machine
from pixelcnn.checkpoint import Checkpoint
from pixelcnn.config import RunSpec, TrainingSpec
from pixelcnn.data.preparation import PreparedData, draw_binary
from pixelcnn.errors import RunFailed
from pixelcnn.evaluation import evaluate
from pixelcnn.files import write_json
from pixelcnn.generators import derived_seed
from pixelcnn.likelihoods import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.records import CHECKPOINT, HISTORY, RESULTS, SPEC, Record

#: Steps between two looks at the loss: each look makes a GPU wait.
CHECK_EVERY = 25

#: Called with (finished steps, all steps) while an epoch runs.
StepCallback = Callable[[int, int], None]
#: Called with the history line of each finished epoch.
EpochCallback = Callable[[dict[str, Any]], None]


def image_spec(data: PreparedData) -> ImageSpec:
    """What a model must know of the images it describes."""
    return ImageSpec(*data.shape, levels=data.levels, classes=data.classes)


def learning_rate_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up over `warmup` steps, then a cosine to zero at `total`; counted in steps."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def ema_decay(updates: int, limit: float) -> float:
    """Decay after `updates` averagings, warmed up lest the initialisation be averaged in."""
    return min(limit, (1 + updates) / (10 + updates))


class Averaged:
    """A copy of a model whose weights follow it by an exponential moving average.

    Not torch's AveragedModel: that counts its updates on the device, and a decay that depends on
    the count would make a GPU wait at every step.
    """

    def __init__(self, model: AutoregressiveModel, limit: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.limit = limit
        self.updates = 0

    @torch.no_grad()
    def update(self, model: AutoregressiveModel) -> None:
        """Move towards the weights of `model`."""
        weight = 1 - ema_decay(self.updates, self.limit)
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), weight)
        self.updates += 1


def make_optimizer(model: nn.Module, spec: TrainingSpec) -> torch.optim.Optimizer:
    """Adam or AdamW over all weights, in one fused kernel a step."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.optimizer]
    return kind(model.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=True)


class TrainingStep:
    """One optimizer step on one batch: what `benchmarks/training.py` measures and `fit` runs."""

    def __init__(
        self,
        model: AutoregressiveModel,
        likelihood: Likelihood,
        spec: TrainingSpec,
        total: int,
        precision: str,
    ) -> None:
        self.model, self.likelihood, self.spec = model, likelihood, spec
        self.precision = precision
        self.optimizer = make_optimizer(model, spec)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: learning_rate_factor(step, total, spec.warmup_steps)
        )
        self.ema = Averaged(model, spec.ema_decay)

    def __call__(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Train on x int64 [N, C, H, W]; returns (NLL in nats per image, gradient norm)."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            params = self.model(x, y)
        nats = -self.likelihood.log_prob(params, x).sum(dim=(1, 2)).mean()
        # The loss is nats per dimension, so that clipping means the same at every image size.
        (nats / x[0].numel()).backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.spec.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step()
        self.ema.update(self.model)
        return nats.detach(), norm.detach()


class Batches:
    """The training split in memory, in an order and binarization drawn anew for every epoch."""

    def __init__(self, data: PreparedData, spec: RunSpec, device: torch.device) -> None:
        self.split, self.intensity = data.splits["train"], data.train_is_intensity
        self.size, self.device = spec.training.batch_size, device
        self.order = torch.Generator().manual_seed(derived_seed(spec.seed, "data order"))
        self.binarization = np.random.default_rng(derived_seed(spec.seed, "binarization"))
        self.images = torch.from_numpy(self.split.images).to(device)
        labels = self.split.labels if spec.variant.conditional else None
        self.labels = None if labels is None else torch.from_numpy(labels).to(device)

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.size)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Every image once: int64 images [n, C, H, W] and labels [n] or None, the last batch ragged."""
        images = self.images
        if self.intensity:
            drawn = draw_binary(self.split.images, self.binarization)
            images = torch.from_numpy(drawn).to(self.device)
        for index in torch.randperm(len(images), generator=self.order).split(self.size):
            index = index.to(self.device)
            yield images[index].long(), None if self.labels is None else self.labels[index]


@dataclass
class Best:
    """The epoch with the lowest validation NLL so far."""

    epoch: int = 0
    valid_nll: float = math.inf
    weights: dict[str, Tensor] | None = None
    ema_weights: dict[str, Tensor] | None = None

    def offer(self, epoch: int, valid_nll: float, step: TrainingStep) -> None:
        """Keep this epoch's weights if it is better."""
        if valid_nll < self.valid_nll:
            self.epoch, self.valid_nll = epoch, valid_nll
            self.weights = _copied(step.model)
            self.ema_weights = _copied(step.ema.model)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    # Contiguous: a checkpoint does not depend on the memory format used for speed.
    return {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}


def fit(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    data: PreparedData,
    spec: RunSpec,
    *,
    run_dir: Path,
    device: torch.device,
    on_epoch: EpochCallback = lambda line: None,
    on_step: StepCallback = lambda done, total: None,
) -> Checkpoint:
    """Train one run and leave its records in `run_dir`; the checkpoint appears at the end.

    Selects the epoch by the validation NLL of the EMA weights, in float32.

    Raises:
        RunFailed: if the loss becomes NaN or infinite. The record then says failed.
    """
    record = _start(model, spec, run_dir, device)
    with _recorded(record, run_dir):
        model = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        best = _train(model, likelihood, data, spec, record, run_dir, on_epoch, on_step)
        assert best.weights is not None and best.ema_weights is not None  # the first epoch is finite
        result = Checkpoint(spec, image_spec(data), data.sha256, best.epoch, best.weights, best.ema_weights)
        checkpoint.save(result, run_dir / CHECKPOINT)
    return result


def _train(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    data: PreparedData,
    spec: RunSpec,
    record: Record,
    run_dir: Path,
    on_epoch: EpochCallback,
    on_step: StepCallback,
) -> Best:
    device = next(model.parameters()).device
    batches = Batches(data, spec, device)
    total = spec.training.epochs * len(batches)
    step = TrainingStep(model, likelihood, spec.training, total, record.precision)
    best, started = Best(), time.perf_counter()
    for epoch in range(1, spec.training.epochs + 1):
        train_nll, norm, seconds = _run_epoch(step, batches, epoch, on_step)
        valid_nll = evaluate(step.ema.model, likelihood, data.splits["valid"]).nll
        best.offer(epoch, valid_nll, step)
        record.epochs, record.best_epoch, record.best_valid_nll = epoch, best.epoch, best.valid_nll
        record.images_seen += len(batches.images)
        record.training_seconds += seconds
        record.wall_seconds = time.perf_counter() - started
        record.images_per_second = record.images_seen / record.training_seconds
        record.peak_memory_bytes = machine.peak_memory_bytes(device)
        line = {
            "epoch": epoch,
            "step": epoch * len(batches),
            "train_nll": train_nll,
            "valid_nll": valid_nll,
            "learning_rate": step.schedule.get_last_lr()[0],
            "gradient_norm": norm,
            "seconds": record.training_seconds,
            "images_per_second": len(batches.images) / seconds,
        }
        _append(run_dir / HISTORY, line)
        record.write(run_dir)
        on_epoch(line)
        if spec.training.patience is not None and epoch - best.epoch >= spec.training.patience:
            record.stopped_early = True
            break
    return best


def _run_epoch(
    step: TrainingStep, batches: Batches, epoch: int, on_step: StepCallback
) -> tuple[float, float, float]:
    """One pass over the data: (mean NLL in nats per image, mean gradient norm, seconds)."""
    started = time.perf_counter()
    nats = torch.zeros((), device=batches.device)
    norms = torch.zeros((), device=batches.device)
    for i, (x, y) in enumerate(batches.epoch(), 1):
        batch_nats, norm = step(x, y)
        nats += batch_nats * len(x)
        norms += norm
        if i % CHECK_EVERY == 0 or i == len(batches):
            if not math.isfinite(nats.item()) or not math.isfinite(norms.item()):
                raise RunFailed(
                    f"the loss or its gradient became NaN or infinite in epoch {epoch}, by step {i} of "
                    f"{len(batches)}; a lower learning_rate or a longer warm-up may help"
                )
            on_step(i, len(batches))
    return nats.item() / len(batches.images), norms.item() / len(batches), time.perf_counter() - started


def _start(model: AutoregressiveModel, spec: RunSpec, run_dir: Path, device: torch.device) -> Record:
    """A fresh run folder: new spec and record, nothing of an earlier training of other weights."""
    run_dir.mkdir(parents=True, exist_ok=True)
    for stale in (run_dir / name for name in (HISTORY, *RESULTS)):
        stale.unlink(missing_ok=True)
    write_json(run_dir / SPEC, spec.to_json())
    record = Record.new(
        spec,
        commit=machine.commit(),
        versions=machine.versions(),
        device=machine.device_name(device),
        threads=torch.get_num_threads(),
        precision=machine.choose_precision(spec.training.precision, device),
        parameters=sum(p.numel() for p in model.parameters()),
    )
    record.write(run_dir)
    return record


@contextmanager
def _recorded(record: Record, run_dir: Path) -> Iterator[None]:
    """The record ends as finished or, whatever ended the training, as failed with its reason."""
    try:
        yield
    except BaseException as error:
        record.end("failed", f"{type(error).__name__}: {error}".removesuffix(": "))
        record.write(run_dir)
        raise
    record.end("finished")
    record.write(run_dir)


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a") as stream:
        stream.write(json.dumps(line, allow_nan=False) + "\n")
