"""Training one run from start or from its saved state: the loop, and the records it leaves."""

from __future__ import annotations

import gc
import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.prepared import PreparedData
from pixelcnn.evaluation.likelihoods import BATCH_SIZE, evaluate
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.results import checkpoint
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import Record
from pixelcnn.system import devices
from pixelcnn.system.code_digest import code_digest
from pixelcnn.system.errors import Interrupted, RunFailed
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training import records, state
from pixelcnn.training.batches import Batches
from pixelcnn.training.step import TrainingStep

#: Steps between two looks at the loss: each look makes a GPU wait.
CHECK_EVERY = 25


@dataclass(frozen=True)
class Observer:
    """What `fit` tells, and asks, while it works.

    epoch: called with the history line of each finished epoch.
    step: called with (finished steps, all steps) while an epoch runs.
    say: called with a sentence, such as on a damaged state.
    begin: called with the model on its device before the first step, also of a training that resumes; what it
        raises fails the run. It must leave the model and torch's generators as they are.
    signal: the signal that asked to stop, None while there was none; asked at every step.
    pictures: called after epochs 1, 2, 4, 8, ... and the last, whose records are written by then, with the
        epoch and the EMA model, which it must leave as it is. A training that resumes from the end of such
        an epoch calls it again. Its time counts nowhere.
    """

    epoch: Callable[[dict[str, Any]], None] = lambda line: None
    step: Callable[[int, int], None] = lambda done, total: None
    say: Callable[[str], None] = lambda sentence: None
    signal: Callable[[], int | None] = lambda: None
    pictures: Callable[[int, AutoregressiveModel], None] = lambda epoch, model: None
    begin: Callable[[AutoregressiveModel], None] = lambda model: None


def image_spec(data: PreparedData) -> ImageSpec:
    """What a model must know of the images it describes."""
    return ImageSpec(*data.shape, levels=data.levels, classes=data.classes)


def fit(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    data: PreparedData,
    spec: RunSpec,
    *,
    run_dir: Path,
    device: torch.device,
    saving: SavingSpec | None = None,
    observer: Observer | None = None,
) -> Checkpoint:
    """Train one run and leave its records in `run_dir`; the checkpoint appears at the end.

    Resumes from the run's saved state if there is one, to the same weights and history, bit for bit
    (same versions, threads, precision, CPU), as without the interruption. Selects the epoch by the
    validation NLL of the EMA weights, in float32.

    Raises:
        Interrupted: if `observer.signal` asked to stop. The state is saved.
        RunFailed: if the loss becomes NaN or infinite, or memory runs out. The record then says failed.
        UserError: if there is a saved state that does not belong to this training.
    """
    devices.exact_float32()
    saving, observer = saving or SavingSpec(), observer or Observer()
    code = code_digest(spec.variant.model)
    found = state.load(run_dir, spec, code=code, data_sha256=data.sha256, say=observer.say)
    record = records.begin(model, spec, run_dir, device, code, data.sha256, found)
    gpus = [device] if device.type == "cuda" else []
    with records.recorded(record, run_dir), torch.random.fork_rng(devices=gpus):
        devices.forget_peak_memory(device)
        with devices.out_of_memory(f"for the weights and the training images; {devices.SMALLER_STILL}"):
            model = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
            observer.begin(model)
            training = _Training(model, likelihood, data, spec, record, run_dir, saving, observer)
            if found is not None:
                training.restore(found)
        with devices.out_of_memory(devices.smaller("training.batch_size", spec.training.batch_size)):
            training.run()
        best = training.best
        assert best.weights is not None and best.ema_weights is not None  # the first epoch is finite
        found_at, weights = best.epoch, (best.weights, best.ema_weights)
        result = Checkpoint(spec, image_spec(data), data.sha256, found_at, *weights, code)
        checkpoint.save(result, RunFolder(run_dir).checkpoint)
    return result


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


@dataclass
class Epoch:
    """How far the epoch that runs has come: batches done and the sums over them."""

    nats: Tensor
    norms: Tensor
    batches: int = 0
    seconds: float = 0.0


@dataclass
class _Training:
    """A training between two of its steps: what `state` saves and `restore` takes up."""

    model: AutoregressiveModel
    likelihood: Likelihood
    data: PreparedData
    spec: RunSpec
    record: Record
    run_dir: Path
    saving: SavingSpec
    observer: Observer
    history: list[dict[str, Any]] = field(default_factory=list)
    best: Best = field(default_factory=Best)

    def __post_init__(self) -> None:
        self.device = next(self.model.parameters()).device
        self.batches = Batches(self.data, self.spec, self.device)
        recipe = self.spec.training
        total = recipe.epochs * len(self.batches)
        self.step = TrainingStep(self.model, self.likelihood, recipe, total, self.record.precision)
        self.epoch = self._new_epoch()
        self.epoch_generators = self.batches.generators()
        self.saver = state.Saver(RunFolder(self.run_dir).state(self.spec.digest), self.saving)
        self.resumed_at = time.perf_counter()
        self.wall_before, self.saving_before = 0.0, 0.0
        #: When the seconds of the epoch were last read; None outside of its steps.
        self.read_at: float | None = None
        # For layers that draw, such as dropout.
        torch.manual_seed(derived_seed(self.spec.seed, "dropout"))

    def _new_epoch(self) -> Epoch:
        return Epoch(torch.zeros((), device=self.device), torch.zeros((), device=self.device))

    def run(self) -> None:
        """Train to the end; a training that is restored at its end has nothing to do."""
        if self.record.epochs and self.epoch.batches == 0:
            self._offer_pictures()  # it may have been killed between its last state and these
        while not self._at_end():
            self._steps()
            self._validate()
            # The last state is always saved: the checkpoint may get lost with a job that is killed.
            if self._at_end() or self.saver.due_after(self.record.epochs) or self.saver.due_by_clock():
                self._save()
            self._write_records()
            self.observer.epoch(self.history[-1])
            self._offer_pictures()

    def _at_end(self) -> bool:
        return self.record.epochs == self.spec.training.epochs or self.record.stopped_early

    def _offer_pictures(self) -> None:
        epoch = self.record.epochs
        if self._at_end() or epoch & (epoch - 1) == 0:  # a power of two
            started = time.perf_counter()
            self.observer.pictures(epoch, self.step.ema.model)
            self.resumed_at += time.perf_counter() - started
            if devices.peak_memory_bytes(self.device) > (self.record.peak_memory_bytes or 0):
                gc.collect()  # objects that know each other are let go only so
                devices.forget_peak_memory(self.device)

    def _steps(self) -> None:
        """The steps that are left of the epoch."""
        self.epoch_generators = self.batches.generators()
        running, total = self.epoch, len(self.batches)
        self.read_at = time.perf_counter()
        for x, y in self.batches.epoch(done=running.batches):
            nats, norm = self.step(x, y)
            running.nats += nats * len(x)
            running.norms += norm
            running.batches += 1
            if running.batches % CHECK_EVERY == 0 or running.batches == total:
                self._check_finite()
                self._read_clock()
                self.observer.step(running.batches, total)
            if self.saver.due_by_clock():
                self._save()
            self._stop_if_asked()
        self.read_at = None

    def _read_clock(self) -> None:
        """Count the seconds of steps since it was last read, once a GPU has done what it was given."""
        if self.read_at is not None:
            devices.synchronize(self.device)
            now = time.perf_counter()
            self.epoch.seconds += now - self.read_at
            self.read_at = now

    def _check_finite(self) -> None:
        running = self.epoch
        if not math.isfinite(running.nats.item()) or not math.isfinite(running.norms.item()):
            raise RunFailed(
                f"the loss or its gradient became NaN or infinite in epoch {self.record.epochs + 1}, by step "
                f"{running.batches} of {len(self.batches)}; a lower learning_rate or longer warm-up may help"
            )

    def _validate(self) -> None:
        """Validate the epoch whose steps are done, and note it."""
        valid = self.data.splits["valid"]
        together = image_spec(self.data).at_once(BATCH_SIZE)
        with devices.out_of_memory(f"in validation, of {together} images together; {devices.SMALLER_STILL}"):
            found = evaluate(self.step.ema.model, self.likelihood, valid, on_batch=self._stop_if_asked)
        valid_nll = found.nll
        record, best, running, images = self.record, self.best, self.epoch, len(self.batches.images)
        epoch = record.epochs + 1
        best.offer(epoch, valid_nll, self.step)
        record.epochs, record.best_epoch, record.best_valid_nll = epoch, best.epoch, best.valid_nll
        record.images_seen += images
        record.training_seconds += running.seconds
        record.images_per_second = record.images_seen / record.training_seconds
        patience = self.spec.training.patience
        record.stopped_early = patience is not None and epoch - best.epoch >= patience
        self.history.append(
            {
                "epoch": epoch,
                "step": epoch * len(self.batches),
                "train_nll": running.nats.item() / images,
                "valid_nll": valid_nll,
                "learning_rate": self.step.learning_rate,
                "gradient_norm": running.norms.item() / len(self.batches),
                "seconds": record.training_seconds,
                "images_per_second": images / running.seconds,
            }
        )
        self.epoch = self._new_epoch()
        self._count_cost()

    def _count_cost(self) -> None:
        self.record.wall_seconds = self.wall_before + time.perf_counter() - self.resumed_at
        self.record.saving_seconds = self.saving_before + self.saver.seconds
        self._count_memory()

    def _count_memory(self) -> None:
        now = devices.peak_memory_bytes(self.device)
        self.record.peak_memory_bytes = max(now, self.record.peak_memory_bytes or 0)

    def _write_records(self) -> None:
        folder = RunFolder(self.run_dir)
        records.append(folder.history_file, self.history[-1])
        self._count_cost()
        self.record.write(folder.record_file)

    def _stop_if_asked(self) -> None:
        """Between two steps or in the middle of a validation, which a resumed training begins again."""
        number = self.observer.signal()
        if number is not None:
            self._save()
            name = signal.Signals(number).name
            raise Interrupted(
                f"stopped by {name} after {self.record.epochs} of {self.spec.training.epochs} epochs"
            )

    # ------------------------------------------------------------------------------ state

    def _save(self) -> None:
        self._read_clock()
        self._count_cost()
        self.saver.save(self.state())
        if self.read_at is not None:  # saving is no step
            self.read_at = time.perf_counter()

    def state(self) -> dict[str, Any]:
        """Tensors and plain data from which `restore` makes the same training."""
        between = self.epoch.batches == 0
        return {
            "digest": self.spec.digest,
            "code": self.record.code,
            "data_sha256": self.data.sha256,
            "record": asdict(self.record),
            "history": self.history,
            "step": self.step.state(),
            "epoch": vars(self.epoch),
            "best": vars(self.best),
            # Those at the start of the epoch: its order and binarization are drawn again, then skipped.
            "generators": self.batches.generators() if between else self.epoch_generators,
            "torch_generator": torch.get_rng_state(),
            "cuda_generator": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def restore(self, found: dict[str, Any]) -> None:
        """Resume from what `state` returned; the record was restored when it was begun."""
        self.history = found["history"]
        self.step.restore(found["step"])
        self.epoch = Epoch(**found["epoch"])
        self.epoch.nats, self.epoch.norms = (
            value.to(self.device) for value in (self.epoch.nats, self.epoch.norms)
        )
        self.best = Best(**found["best"])
        self.batches.restore(found["generators"])
        self.wall_before, self.saving_before = self.record.wall_seconds, self.record.saving_seconds
        torch.set_rng_state(found["torch_generator"])
        if self.device.type == "cuda" and found["cuda_generator"] is not None:
            torch.cuda.set_rng_state(found["cuda_generator"], self.device)
        done = f"epoch {self.record.epochs + 1}, step {self.epoch.batches} of {len(self.batches)}"
        if self._at_end():
            done = "its end"
        self.observer.say(f"{self.spec.name}: resumes from its saved state, at {done}")
