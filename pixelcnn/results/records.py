"""What the records of a run say. Where they lie, `results.folder` knows."""

from __future__ import annotations

import contextlib
import os
import platform
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import geometric_mean
from typing import Any, Literal

from pixelcnn.config.benchmark import SamplingSpec
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json, write_json
from pixelcnn.system.processes import process_alive

#: Keys of a history line, one a validation. Epoch, images and step are those done by then, and an epoch that
#: is not whole is a fraction; NLL in nats per image, that of training over the images since the line before;
#: seconds: training steps so far, without validation.
HISTORY_KEYS = (
    "epoch",
    "images",
    "step",
    "train_nll",
    "valid_nll",
    "learning_rate",
    "gradient_norm",
    "seconds",
    "images_per_second",
)


@dataclass(frozen=True)
class Metrics:
    """Test results of a run: the EMA weights of its best validation, always in float32.

    `nll` is the mean over images of -log p(x), or of -log p(x|y) given the true label for a
    conditional variant, in nats per image. The `marginal_` ones are of -log sum_y p(y) p(x|y) and,
    like `accuracy` (share of images whose label is argmax_y p(x|y)), None for unconditional ones. `code` is
    the digest of the code that evaluated it, see `system.code_digest`.
    """

    digest: str
    data_sha256: str
    split: str
    images: int
    dims: int
    levels: int
    nll: float
    bits_per_dim: float
    perplexity: float
    marginal_nll: float | None = None
    marginal_bits_per_dim: float | None = None
    marginal_perplexity: float | None = None
    accuracy: float | None = None
    seconds: float = 0.0
    code: str | None = None

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        write_json(path, asdict(self))


@dataclass(frozen=True)
class Analysis:
    """What a look into a trained model showed, of the EMA weights of its chosen validation.

    NLL in nats per image, given the label for a conditional variant. Distances are root mean square
    differences of pixels scaled to 0..1. `earlier_pixels` come before the centre in raster order, of which
    `reach_pixels` can influence its parameters at all (measured by gradients of random weights);
    `effective_pixels` is how many of the most influential ones hold 95 % of the influence of the trained
    weights, `effective_radius` its root mean square distance from the centre, in pixels. `agreement` is the
    share of conditional samples in which the classifier sees the label that was asked for.
    """

    digest: str
    data_sha256: str
    train_nll: float
    valid_nll: float
    earlier_pixels: int
    reach_pixels: int
    effective_pixels: int
    effective_radius: float
    sample_distance: float | None = None  # median distance of a sample to its nearest training image
    test_distance: float | None = None  # the same of as many test images: what is to be expected
    agreement: float | None = None
    agreement_by_class: list[float] | None = None
    agreement_images: int | None = None
    classifier_accuracy: float | None = None
    seconds: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)  # the AnalysisSpec that it was made by

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        write_json(path, asdict(self))


@dataclass(frozen=True)
class Cost:
    """What a variant costs, measured while nothing else ran; `*_seconds` hold one value a round.

    A step trains on one batch. A sampling draws `sampling_images` images, an evaluation is a forward pass
    without gradients over as many.
    """

    digest: str
    device: str
    threads: int
    precision: str
    batch_size: int
    parameters: int
    multiply_adds: int
    step_seconds: list[float]
    evaluation_seconds: list[float]
    sampling_seconds: list[float]
    sampling_images: int
    peak_memory_bytes: int | None
    commit: str | None = None
    host: str = ""

    # Geometric means of the rounds: times vary by factors, and ratios of variants are those of these means.

    @property
    def step(self) -> float:
        """Seconds of a training step."""
        return geometric_mean(self.step_seconds)

    @property
    def evaluation(self) -> float:
        """Seconds of the forward pass of an image."""
        return geometric_mean(self.evaluation_seconds) / self.sampling_images

    @property
    def sampling(self) -> float:
        """Seconds of drawing an image, one of a batch."""
        return geometric_mean(self.sampling_seconds) / self.sampling_images

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        write_json(path, asdict(self))


@dataclass(frozen=True)
class StepTimes:
    """Seconds of a training step of a network in each precision, medians of `rounds` that took turns.

    None is what could not be timed; `failed` says why.
    """

    name: str  # dataset/variant
    batch_size: int
    float32: float | None = None
    bfloat16: float | None = None
    rounds: int = 0
    failed: str = ""


@dataclass(frozen=True)
class Precision:
    """What `training.precision: auto` is in a benchmark, why, and where that was found."""

    chosen: Literal["float32", "bfloat16"]
    reason: str
    device: str
    threads: int
    torch: str
    steps: list[StepTimes] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Precision:
        """What `write` wrote.

        Raises:
            UserError: if it is missing or damaged.
        """
        value = read_json(path)
        with contextlib.suppress(TypeError, KeyError):
            found = cls(**value | {"steps": [StepTimes(**step) for step in value["steps"]]})
            if found.chosen in ("float32", "bfloat16"):
                return found
        raise UserError(f"{path}: damaged; delete it, and the precision is measured again")


#: What a record takes over when a training resumes.
CONTINUED = (
    "epochs",
    "best_epoch",
    "best_valid_nll",
    "stopped_early",
    "images_seen",
    "training_seconds",
    "wall_seconds",
    "saving_seconds",
    "images_per_second",
    "peak_memory_bytes",
)


@dataclass
class Record:
    """How a training went. Written at its start, after every validation and at its end.

    `epochs` are the passes over the training images up to the last validation, `best_epoch` those up to the
    best one; a pass that is not whole is a fraction.
    `training_seconds` is the time spent in training steps, `wall_seconds` that from the first step
    to the end of the last validation (but not the pictures drawn for whoever looks on),
    `saving_seconds` the part of it that saved the state.
    `peak_memory_bytes` is the most memory held in steps and validations: on a GPU by torch's tensors, else by
    the process. Of seeds that trained together each has an equal share of the seconds, and the memory of
    all. Pictures do not count (on a CPU they do where it is not Linux, which lets one count anew).
    A training that was interrupted and resumed is one training: its times add up, without the pause, and its
    peak is the largest of its processes.
    `data_sha256` is that of the prepared data; None in records of an older version.
    `code` is the digest of the code that decides a training, see `system.code_digest`. Without a `commit`,
    `no_commit` says why. `resumes` counts how often it resumed from a saved state, `changed` says what was
    different then, such as "threads: 1, then 2".
    """

    run_id: str
    digest: str
    started: str
    host: str
    pid: int
    commit: str | None
    versions: dict[str, str]
    device: str
    threads: int
    precision: str
    parameters: int
    code: str | None = None
    data_sha256: str | None = None
    status: Literal["running", "finished", "failed", "interrupted"] = "running"
    error: str | None = None
    ended: str | None = None
    epochs: float = 0
    best_epoch: float | None = None
    best_valid_nll: float | None = None
    stopped_early: bool = False
    images_seen: int = 0
    training_seconds: float = 0.0
    wall_seconds: float = 0.0
    saving_seconds: float = 0.0
    images_per_second: float | None = None
    peak_memory_bytes: int | None = None
    no_commit: str | None = None
    resumes: int = 0
    changed: list[str] = field(default_factory=list)

    @classmethod
    def new(cls, spec: RunSpec, *, run_id: str | None = None, **provenance: Any) -> Record:
        """The record of a training that starts now, in this process, or resumes under its `run_id`."""
        return cls(
            run_id=run_id or cls.new_id(),
            digest=spec.digest,
            started=_now(),
            host=platform.node(),
            pid=os.getpid(),
            **provenance,
        )

    @staticmethod
    def new_id() -> str:
        """A `run_id` that no other training has."""
        return uuid.uuid4().hex

    def resume_from(self, before: Record) -> None:
        """Take over what the training did before it was interrupted, and note what is different now."""
        self.precision = before.precision  # chosen once: half a training in another would be a third kind
        for key in CONTINUED:
            setattr(self, key, getattr(before, key))
        now, then = self._conditions(), before._conditions()
        changes = [f"{key}: {then.get(key)}, then {now[key]}" for key in now if now[key] != then.get(key)]
        self.changed = [*before.changed, *changes]

    def _conditions(self) -> dict[str, Any]:
        """What must be the same for an interrupted training to end in the same weights, bit for bit."""
        return {"device": self.device, "threads": self.threads, **self.versions}

    def end(self, status: Literal["finished", "failed", "interrupted"], error: str | None = None) -> None:
        """Note that the training ended now, and how."""
        self.status, self.error, self.ended = status, error, _now()

    def write(self, path: Path) -> None:
        """Replace the file atomically."""
        write_json(path, asdict(self))


@dataclass(frozen=True)
class TrialRecord:
    """How a trial of a tuning went at one seed: a training that failed is a result, too.

    `valid_nll` is the best validation NLL of the averaged weights, nats per image; None if it failed.
    `seconds` are those of the training, validation included.
    """

    digest: str
    data_sha256: str
    status: Literal["finished", "failed"]
    valid_nll: float | None
    seconds: float
    error: str | None = None

    @classmethod
    def of(cls, record: Record, data_sha256: str) -> TrialRecord:
        """What the record of a training that ended says of it."""
        finished = record.status == "finished"
        return cls(
            digest=record.digest,
            data_sha256=data_sha256,
            status="finished" if finished else "failed",
            valid_nll=record.best_valid_nll if finished else None,
            seconds=record.wall_seconds,
            error=None if finished else record.error,
        )

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        write_json(path, asdict(self))


def sampled(spec: RunSpec, sampling: SamplingSpec) -> dict[str, Any]:
    """What is said of samples and completions: the training they are of, and how they were drawn."""
    # One by one: a key of `sampling` that changes nothing in the pictures must not have them drawn anew.
    return {
        "digest": spec.digest,
        "images": sampling.images,
        "completions": sampling.completions,
        "temperature": sampling.temperature,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def is_lost(record: Record) -> bool:
    """Whether a record says "running" but its process, on this host, is gone."""
    return record.status == "running" and record.host == platform.node() and not process_alive(record.pid)
