"""Training one run from start or from its saved state: the loop, and the records it leaves.

The loop is a generator that asks for its steps: so it is the same for a run that trains alone (`fit`) and for
one whose steps are taken together with those of other seeds (see `training.driving`).
"""

from __future__ import annotations

import gc
import math
import signal
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.config.budget import Budget, so_far
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.prepared import PreparedData
from pixelcnn.evaluation.likelihoods import BATCH_SIZE, evaluate
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
from pixelcnn.training.best import Best
from pixelcnn.training.clock import Clock
from pixelcnn.training.driving import TrainingLoop, alone
from pixelcnn.training.observer import Observer
from pixelcnn.training.step import Step, Steps, TrainingStep

#: Steps between two looks at the loss: each look makes a GPU wait.
CHECK_EVERY = 25


def image_spec(data: PreparedData) -> ImageSpec:
    """What a model must know of the images it describes."""
    return ImageSpec(*data.shape, levels=data.levels, classes=data.classes)


def fit(
    model: AutoregressiveModel,
    data: PreparedData,
    spec: RunSpec,
    *,
    run_dir: Path,
    device: torch.device,
    precision: Literal["float32", "bfloat16"] | None = None,
    saving: SavingSpec | None = None,
    observer: Observer | None = None,
) -> Checkpoint:
    """Train one run and leave its records in `run_dir`; the checkpoint appears at the end.

    `precision` is that of the network in training steps; without it the recipe's, where "auto" is float32:
    which one is faster `training.precision` measures for a whole benchmark.
    Resumes from the run's saved state if there is one, to the same weights and history, bit for bit
    (same versions, threads, precision, CPU), as without the interruption. Selects among the validations
    by the NLL of the EMA weights, in float32.

    Raises:
        Interrupted: if `observer.signal` asked to stop. The state is saved.
        RunFailed: if the loss becomes NaN or infinite, or memory runs out. The record then says failed.
        UserError: if there is a saved state that does not belong to this training.
    """
    loop = training_loop(
        model, data, spec,
        run_dir=run_dir, device=device, precision=precision, saving=saving, observer=observer,
    )  # fmt: skip
    return alone(loop, device)


def training_loop(
    model: AutoregressiveModel,
    data: PreparedData,
    spec: RunSpec,
    *,
    run_dir: Path,
    device: torch.device,
    precision: Literal["float32", "bfloat16"] | None = None,
    saving: SavingSpec | None = None,
    observer: Observer | None = None,
) -> TrainingLoop:
    """What `fit` does, but for the steps: these takes whoever runs it, and throws in what fails one."""
    devices.exact_float32()
    saving, observer = saving or SavingSpec(), observer or Observer()
    code = code_digest(spec.variant.model)
    found = state.load(run_dir, spec, code=code, data_sha256=data.sha256, say=observer.say)
    if precision is None:
        precision = "bfloat16" if spec.training.precision == "bfloat16" else "float32"
    record = records.begin(model, spec, run_dir, device, code, data.sha256, found, precision)
    with records.recorded(record, run_dir):
        devices.forget_peak_memory(device)
        with devices.out_of_memory(f"for the weights and the training images; {devices.SMALLER_STILL}"):
            model = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
            observer.begin(model)
            training = Training(model, data, spec, record, run_dir, saving, observer, fresh=found is None)
            if found is not None:
                training.restore(found)
            yield training
        with devices.out_of_memory(devices.smaller("training.batch_size", spec.training.batch_size)):
            yield from training.run()
        best = training.best
        assert best.weights is not None and best.ema_weights is not None  # the first validation is finite
        found_at, weights = best.epoch, (best.weights, best.ema_weights)
        result = Checkpoint(spec, image_spec(data), data.sha256, found_at, *weights, code)
        checkpoint.save(result, RunFolder(run_dir).checkpoint)
    return result


@dataclass
class Interval:
    """What was done since the last validation: steps and the sums over them."""

    nats: Tensor
    norms: Tensor
    steps: int = 0
    seconds: float = 0.0


@dataclass
class Training:
    """A training between two of its steps: what `state` saves and `restore` takes up.

    Whoever takes its steps may give it another `step` that has done as many, and a `clock` that others share.
    """

    model: AutoregressiveModel
    data: PreparedData
    spec: RunSpec
    record: Record
    run_dir: Path
    saving: SavingSpec
    observer: Observer
    #: It begins; if not, `restore` gives it the weights.
    fresh: bool = True
    history: list[dict[str, Any]] = field(default_factory=list)
    best: Best = field(default_factory=Best)

    def __post_init__(self) -> None:
        self.device = next(self.model.parameters()).device
        self.batches = Batches(self.data, self.spec, self.device)
        if self.fresh:
            self.model.begin(self.batches.first)
        recipe = self.spec.training
        self.budget = Budget.of(recipe, len(self.batches.images))
        self.step: Step = TrainingStep(self.model, recipe, self.budget.steps, self.record.precision)
        self.interval = self._new_interval()
        self.saver = state.Saver(RunFolder(self.run_dir).state(self.spec.digest), self.saving)
        self.wall_before, self.saving_before = 0.0, 0.0
        self.wall = Clock()
        self.wall.start()
        self.clock, self.read_at = Clock(), 0.0
        # For layers that draw, such as dropout.
        torch.manual_seed(derived_seed(self.spec.seed, "dropout"))

    def _new_interval(self) -> Interval:
        return Interval(torch.zeros((), device=self.device), torch.zeros((), device=self.device))

    def run(self) -> Steps:
        """Train to the end; a training that is restored at its end has nothing to do."""
        if self.history and self.interval.steps == 0:
            self._offer_pictures()  # it may have been killed between its last state and these
        while not self._at_end():
            epochs = self.record.epochs
            yield from self._steps()
            self._validate()
            due = self.saver.due_after(epochs, self.record.epochs) or self.saver.due_by_clock()
            # The last state is always saved: the checkpoint may get lost with a job that is killed.
            if self._at_end() or due:
                self._save()
            self._write_records()
            self.observer.epoch(self.history[-1])
            self._offer_pictures()

    def _at_end(self) -> bool:
        validated = self.interval.steps == 0
        return self.record.stopped_early or (validated and self.step.done == self.budget.steps)

    def _offer_pictures(self) -> None:
        validations = len(self.history)
        if self._at_end() or validations & (validations - 1) == 0:  # a power of two
            number = self.history[-1][self.spec.training.counted_in]
            with self.clock.stopped(), self.wall.stopped():
                self.observer.pictures(number, self.step.averaged)
            if devices.peak_memory_bytes(self.device) > (self.record.peak_memory_bytes or 0):
                gc.collect()  # objects that know each other are let go only so
                devices.forget_peak_memory(self.device)

    def _steps(self) -> Steps:
        """The steps that are left until the next validation; none if that was interrupted."""
        running, budget = self.interval, self.budget
        begun = self.step.done - running.steps
        end = budget.next_validation(begun)
        self.clock.start()
        self.read_at = self.clock.read()
        while self.step.done < end:
            x, y = self.batches.take(budget.images - budget.images_after(self.step.done))
            nats, norm = yield x, y
            running.nats += nats * len(x)
            running.norms += norm
            running.steps += 1
            if running.steps % CHECK_EVERY == 0 or self.step.done == end:
                self._check_finite()
                self.read_clock()
                self.observer.step(running.steps, end - begun)
            if self.saver.due_by_clock():
                self._save()
            self._stop_if_asked()
        self.clock.stop()

    def share(self, trainings: int) -> None:
        """From now on this process is that of so many trainings, which share its time equally."""
        self.wall.read()
        self.wall.shared_by = self.saver.shared_by = trainings

    def read_clock(self) -> None:
        """Count the seconds of steps since it was last read, once a GPU has done what it was given."""
        devices.synchronize(self.device)
        now = self.clock.read()
        self.interval.seconds += now - self.read_at
        self.read_at = now

    def _check_finite(self) -> None:
        running = self.interval
        if not math.isfinite(running.nats.item()) or not math.isfinite(running.norms.item()):
            epoch, step = divmod(self.step.done - 1, len(self.batches))
            raise RunFailed(
                f"the loss or its gradient became NaN or infinite in epoch {epoch + 1}, by step "
                f"{step + 1} of {len(self.batches)}; a lower learning_rate or longer warm-up may help"
            )

    def _validate(self) -> None:
        """Validate what the steps that are done have come to, and note it."""
        averaged, valid = self.step.averaged, self.data.splits["valid"]
        together = image_spec(self.data).at_once(BATCH_SIZE)
        with devices.out_of_memory(f"in validation, of {together} images together; {devices.SMALLER_STILL}"):
            found = evaluate(averaged, averaged.likelihood, valid, on_batch=self._stop_if_asked)
        valid_nll = found.nll
        record, best, running = self.record, self.best, self.interval
        validation, epoch = len(self.history) + 1, self.budget.epochs_after(self.step.done)
        best.offer(validation, epoch, valid_nll, self.step)
        record.epochs, record.best_epoch, record.best_valid_nll = epoch, best.epoch, best.valid_nll
        before, record.images_seen = record.images_seen, self.budget.images_after(self.step.done)
        images = record.images_seen - before
        record.training_seconds += running.seconds
        record.images_per_second = record.images_seen / record.training_seconds
        patience = self.spec.training.patience
        record.stopped_early = patience is not None and validation - best.validation >= patience
        if not any(weight.requires_grad for weight in self.model.parameters()):
            record.stopped_early = True  # it has nothing to learn
        self.history.append(
            {
                "epoch": epoch,
                "images": record.images_seen,
                "step": self.step.done,
                "train_nll": running.nats.item() / images,
                "valid_nll": valid_nll,
                "learning_rate": self.step.learning_rate,
                "gradient_norm": running.norms.item() / running.steps,
                "seconds": record.training_seconds,
                "images_per_second": images / running.seconds,
            }
        )
        self.interval = self._new_interval()
        self._count_cost()

    def _count_cost(self) -> None:
        self.record.wall_seconds = self.wall_before + self.wall.read()
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
            done = so_far(self.spec.training, self.record.epochs, self.record.images_seen)
            raise Interrupted(f"stopped by {name} after {done}")

    # ------------------------------------------------------------------------------ state

    def _save(self) -> None:
        self.read_clock()
        self._count_cost()
        with self.clock.stopped():  # saving is no step
            self.saver.save(self.state())

    def state(self) -> dict[str, Any]:
        """Tensors and plain data from which `restore` makes the same training."""
        return {
            "digest": self.spec.digest,
            "code": self.record.code,
            "data_sha256": self.data.sha256,
            "record": asdict(self.record),
            "history": self.history,
            "step": self.step.state(),
            "interval": vars(self.interval),
            "best": vars(self.best),
            "batches": self.batches.state(),
            "torch_generator": torch.get_rng_state(),
            "cuda_generator": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def restore(self, found: dict[str, Any]) -> None:
        """Resume from what `state` returned; the record was restored when it was begun."""
        self.history = found["history"]
        self.step.restore(found["step"])
        running = Interval(**found["interval"])
        running.nats, running.norms = (value.to(self.device) for value in (running.nats, running.norms))
        self.interval = running
        self.best = Best(**found["best"])
        self.batches.restore(found["batches"])
        self.wall_before, self.saving_before = self.record.wall_seconds, self.record.saving_seconds
        torch.set_rng_state(found["torch_generator"])
        if self.device.type == "cuda" and found["cuda_generator"] is not None:
            torch.cuda.set_rng_state(found["cuda_generator"], self.device)
        self.observer.say(f"{self.spec.name}: resumes from its saved state, at {self._place()}")

    def _place(self) -> str:
        if self._at_end():
            return "its end"
        # Before it is validated, the end of an epoch is not yet the start of the next.
        validated = self.interval.steps == 0
        epoch, step = divmod(self.step.done - (not validated), len(self.batches))
        return f"epoch {epoch + 1}, step {step + (not validated)} of {len(self.batches)}"
