"""What a run leaves in its folder: the one place that knows the file names.

| file            | written by | content                                                          |
|-----------------|------------|------------------------------------------------------------------|
| spec.json       | train      | the RunSpec with its digest                                      |
| record.json     | train      | status, provenance, cost; see `Record`                           |
| history.jsonl   | train      | one line an epoch, while it trains; see `HISTORY_KEYS`           |
| checkpoint.pt   | train      | weights and EMA weights of the best epoch                        |
| metrics.json    | evaluate   | test NLL (nats/image), bits/dim, perplexity; see `evaluation`    |
| nats.npz        | evaluate   | nats per test image, mean nats per pixel                         |
| model.safetensors | evaluate | the EMA weights alone, for use elsewhere; see `export`           |
| samples.npz     | sample     | `images` uint8 [n, C, H, W] and `labels` int64 [n] (-1: none)    |
| samples.png     | sample     | the same as a grid                                               |
| completions.npz | sample     | test images whose lower half was drawn anew, and the same as .png |
| sampled.json    | sample     | how both were drawn: see `freshness.sampled`                      |
| analysis.json   | analyse    | gaps, receptive field, neighbours, agreement; see `Analysis`     |
| analysis.npz    | analyse    | the maps and the neighbours behind it; see `ANALYSIS_ARRAYS`      |
| pictures/       | train      | samples while it trained: epoch00001.png, ... at epochs 1, 2, 4  |
| state-DIGEST.pt | train      | what an interrupted training goes on from; see `training.state`  |
"""

from __future__ import annotations

import json
import os
import platform
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pixelcnn.config.run_spec import RunSpec
from pixelcnn.system.files import read_json, write_json
from pixelcnn.system.processes import process_alive

SPEC = "spec.json"
RECORD = "record.json"
HISTORY = "history.jsonl"
CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.json"
NATS = "nats.npz"
MODEL = "model.safetensors"
SAMPLES = "samples.npz"
SAMPLE_GRID = "samples.png"
COMPLETIONS = "completions.npz"
COMPLETION_GRID = "completions.png"
SAMPLED = "sampled.json"
ANALYSIS = "analysis.json"
#: n samples, m test images, K classes; the last four are of conditional runs.
#:
#: reach            bool [H, W]           pixels that can influence the parameters of the centre at all
#: effective        float64 [H, W]        their influence in the trained model: sum 1, or all 0 without any
#: sample_nearest   int64 [n]             index of the training image nearest to each image of `SAMPLES`
#: sample_distance  float64 [n]           and its distance: root mean square of pixels scaled to 0..1
#: test_distance    float64 [m]           the same of the first test images, as many as there are samples
#: confusion        int64 [K, K]          judged samples by the label asked for (row) and the answer
#: judged           uint8 [k, C, H, W]    the first two judged samples of each class
#: judged_labels    int64 [k]             the labels asked for
#: judged_answers   int64 [k]             the classifier's answers
ANALYSIS_ARRAYS = "analysis.npz"
PICTURES = "pictures"
#: In the benchmark's folder: where MLflow shows it, {"uri", "experiment_id", "query": that of its page of the
#: runs, "runs": {run_id: MLflow's id}}.
TRACKED = "tracking.json"

#: What is made from a training; void as soon as the run is trained anew.
RESULTS = (
    CHECKPOINT,
    METRICS,
    NATS,
    MODEL,
    SAMPLES,
    SAMPLE_GRID,
    COMPLETIONS,
    COMPLETION_GRID,
    SAMPLED,
    ANALYSIS,
    ANALYSIS_ARRAYS,
)

#: Keys of a history line. NLL in nats per image; seconds: training steps so far, without validation.
HISTORY_KEYS = (
    "epoch",
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
    """Test results of a run: the EMA weights of its best epoch, always in float32.

    `nll` is the mean over images of -log p(x), or of -log p(x|y) given the true label for a
    conditional variant, in nats per image. The `marginal_` ones are of -log sum_y p(y) p(x|y) and,
    like `accuracy` (share of images whose label is argmax_y p(x|y)), None for unconditional ones.
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

    def write(self, run_dir: Path) -> None:
        """Write metrics.json atomically."""
        write_json(run_dir / METRICS, asdict(self))


@dataclass(frozen=True)
class Analysis:
    """What a look into a trained model showed, of the EMA weights of its chosen epoch.

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

    def write(self, run_dir: Path) -> None:
        """Write analysis.json atomically."""
        write_json(run_dir / ANALYSIS, asdict(self))


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

    def write(self, path: Path) -> None:
        """Write cost.json atomically."""
        write_json(path, asdict(self))


#: What a record takes over when a training goes on.
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
)


@dataclass
class Record:
    """How a training went. Written at its start, after every epoch and at its end.

    `training_seconds` is the time spent in training steps, `wall_seconds` that from the first step
    to the end of the last epoch (validation too, but not the pictures drawn for whoever looks on),
    `saving_seconds` the part of it that saved the state.
    A training that was interrupted and went on is one training: its times add up, without the pause.
    `code` is the digest of the sources that training imports. `resumes` counts how often it went on,
    `changed` says what was different then, such as "threads: 1, then 2".
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
    status: Literal["running", "finished", "failed", "interrupted"] = "running"
    error: str | None = None
    ended: str | None = None
    epochs: int = 0
    best_epoch: int | None = None
    best_valid_nll: float | None = None
    stopped_early: bool = False
    images_seen: int = 0
    training_seconds: float = 0.0
    wall_seconds: float = 0.0
    saving_seconds: float = 0.0
    images_per_second: float | None = None
    peak_memory_bytes: int | None = None
    resumes: int = 0
    changed: list[str] = field(default_factory=list)

    @classmethod
    def new(cls, spec: RunSpec, *, run_id: str | None = None, **provenance: Any) -> Record:
        """The record of a training that starts now, in this process, or goes on under its `run_id`."""
        return cls(
            run_id=run_id or uuid.uuid4().hex,
            digest=spec.digest,
            started=_now(),
            host=platform.node(),
            pid=os.getpid(),
            **provenance,
        )

    def go_on_from(self, before: Record) -> None:
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

    def write(self, run_dir: Path) -> None:
        """Replace record.json atomically."""
        write_json(run_dir / RECORD, asdict(self))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def is_lost(record: Record) -> bool:
    """Whether a record says "running" but its process, on this host, is gone."""
    return record.status == "running" and record.host == platform.node() and not process_alive(record.pid)


def picture_file(run_dir: Path, epoch: int) -> Path:
    """The samples that were drawn after an epoch, while the run trained."""
    return run_dir / PICTURES / f"epoch{epoch:05d}.png"


@dataclass(frozen=True)
class RunFolder:
    """Read access to the records of one run; what is not there yet is None or empty."""

    path: Path

    def spec(self) -> RunSpec | None:
        """The spec that was trained."""
        value = self._json(SPEC)
        return None if value is None else RunSpec.from_json(value)

    def record(self) -> Record | None:
        """How the training went or goes."""
        value = self._json(RECORD)
        return None if value is None else Record(**value)

    def metrics(self) -> Metrics | None:
        """The test results, if the run was evaluated."""
        value = self._json(METRICS)
        return None if value is None else Metrics(**value)

    def analysis(self) -> Analysis | None:
        """What a look into the model showed, if the run was analysed."""
        value = self._json(ANALYSIS)
        return None if value is None else Analysis(**value)

    def history(self) -> list[dict[str, Any]]:
        """The finished epochs. A last line without its newline is still being written: left out."""
        path = self.path / HISTORY
        if not path.exists():
            return []
        lines = path.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def pictures(self) -> dict[int, Path]:
        """The pictures that were drawn while it trained, by epoch."""
        found = sorted((self.path / PICTURES).glob("epoch[0-9]*.png"))
        return {int(path.stem.removeprefix("epoch")): path for path in found}

    def file(self, name: str) -> Path | None:
        """The path of one of the files above if it is there."""
        path = self.path / name
        return path if path.exists() else None

    def _json(self, name: str) -> Any:
        path = self.path / name
        return read_json(path) if path.exists() else None
