"""What lies where under `results/`: the one place that knows the names of files and folders.

Paths only, and the reading of a run's records; needs neither torch nor numpy, so that a Snakefile takes its
paths from here, with wildcards such as "{dataset}" in the place of names.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.records import Analysis, Metrics, Record, TrialRecord
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json

#: What the benchmark of a tuning's trials is called, after the benchmark that it tunes.
TRIALS = "-tuning"
#: What test images of one run of a variant cost as a file, in the variant's folder.
AUDIT = "audit.json"
#: The names that `RunFolder.picture` gives.
PICTURE = re.compile(r"(?:epoch|images)([0-9]+)\.png")


class _Folder(Protocol):
    @property
    def path(self) -> Path: ...


class At:
    """What has this name in a folder: read from a folder's object, its path."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: _Folder, owner: type) -> Path:
        return folder.path / self.name


def existing(path: Path) -> Path | None:
    """A path if something is there."""
    return path if path.exists() else None


@dataclass(frozen=True)
class ResultsFolder:
    """`results/`: a folder for each benchmark, and what MLflow keeps of all of them."""

    path: Path

    mlflow = At("mlflow")
    database = At("mlflow/mlflow.db")
    artifacts = At("mlflow/artifacts")  # the files that MLflow shows, a folder for each benchmark

    def benchmark(self, name: str) -> BenchmarkFolder:
        """The folder of one benchmark."""
        return BenchmarkFolder(self.path / name)


def folder_of(benchmark: Benchmark) -> BenchmarkFolder:
    """The folder that a benchmark's config names. One that was moved or copied since lies elsewhere."""
    return ResultsFolder(Path(benchmark.results)).benchmark(benchmark.benchmark)


def tuning_folder(benchmark: Benchmark) -> BenchmarkFolder:
    """The folder of the trials of a benchmark."""
    return ResultsFolder(Path(benchmark.results)).benchmark(f"{benchmark.benchmark}{TRIALS}")


@dataclass(frozen=True)
class BenchmarkFolder:
    """`results/BENCHMARK/`: everything that a benchmark writes."""

    path: Path

    config = At("config.json")  # the config, resolved
    plan = At("plan.json")  # dataset -> variant -> parameters, multiply-adds, whether a baseline
    precision = At("precision.json")  # what `training.precision: auto` is here; see `records.Precision`
    precision_lock = At(".precision.lock")  # locked while that is measured
    #: Where MLflow shows it, {"uri", "experiment_id", "query": that of its page of the runs, "runs": {run_id:
    #: MLflow's id}}.
    tracked = At("tracking.json")
    tracking_lock = At(".tracking.lock")  # locked, since two projections at once would make runs twice
    origin = At(".origin.json")  # tells the runs of this folder from a copy's, see `tracking.origin`
    #: The runs that reports so far were made of, which decide how much a further one may find.
    looks = At("looks.json")
    merged = At("merged.json")  # of a folder that several were merged into: what came from where
    workflow_lock = At(".workflow.lock")  # locked by the workflow that works on this folder
    logs = At("logs")
    packs = At("packs")  # marks of the jobs that hold several runs
    # Of the trials of a tuning.
    tuned = At("tuned.yaml")  # the config that was chosen
    trials = At("trials.csv")  # a row a trial
    tuned_of = At(".tuned-of")  # a digest of the records that both were made from, see `made_of`

    @property
    def report(self) -> ReportFolder:
        """The report's folder."""
        return ReportFolder(self.path / "report")

    def log(self, job: str, *names: str) -> Path:
        """The log of a job, such as `log("classify", dataset)`."""
        # A folder a name: joined by a dash, "a-b" and "c" would be "a" and "b-c".
        *folders, last = (job, *names)
        return self.logs.joinpath(*folders, f"{last}.log")

    def pack(self, number: int | str) -> Path:
        """The mark that the runs of a pack are done."""
        return self.packs / f"{number}.done"

    def dataset(self, name: str) -> DatasetFolder:
        """The folder of a dataset."""
        return DatasetFolder(self.path / name)

    def cost(self, dataset: str, variant: str) -> Path:
        """What a variant costs, measured by itself; see `records.Cost`."""
        return self.path / dataset / variant / "cost.json"

    def audit(self, dataset: str, variant: str) -> Path:
        """What test images of one of its runs cost as a file; see `results.audit`."""
        return self.path / dataset / variant / AUDIT

    def run(self, dataset: str, variant: str, seed: int | str) -> RunFolder:
        """The folder of a run."""
        return RunFolder(self.path / dataset / variant / f"seed{seed}")

    def run_of(self, spec: RunSpec) -> RunFolder:
        """The folder of a run."""
        return self.run(spec.dataset_name, spec.variant_name, spec.seed)

    def keeps(self, path: Path) -> bool:
        """Whether a path, however it is spelled, is that of a dataset here, or of a result of any run."""
        place = path.resolve()
        run, above = RunFolder(place.parent), RunFolder(place.parent.parent)
        of_run = run.begun and place in run.results
        attempt = above.attempt.begun and place.parent == above.attempt.path
        picture = above.begun and place.parent == above.pictures_folder and place.suffix == ".png"
        return of_run or attempt or picture or place == self.dataset(place.parent.name).data.resolve()

    def runs(self) -> list[RunFolder]:
        """The folders in which a training has begun, whether or not a config asks for it."""
        every = self.run("*", "*", "*")
        finished = self._found(every.record_file)
        begun = {path.parent for path in self._found(every.attempt.record_file)}
        return [RunFolder(path) for path in sorted(finished | begun)]

    def _found(self, pattern: Path) -> set[Path]:
        """The folders of the files that a path with stars stands for."""
        return {path.parent for path in self.path.glob(str(pattern.relative_to(self.path)))}


@dataclass(frozen=True)
class DatasetFolder:
    """`results/BENCHMARK/DATASET/`: what all runs on a dataset share."""

    path: Path

    data = At("data.npz")  # the prepared arrays
    classifier = At("classifier.pt")  # judges conditional samples
    classifier_note = At("classifier.json")  # what it was trained on, and how good it is

    @property
    def classified(self) -> tuple[Path, ...]:
        """What `classify` makes."""
        return self.classifier, self.classifier_note


@dataclass(frozen=True)
class ReportFolder:
    """`results/BENCHMARK/report/`."""

    path: Path

    page = At("index.html")
    text = At("report.md")
    metrics = At("metrics.csv")  # a row a run
    comparison = At("comparison.csv")  # a row a dataset and variant
    pairs = At("pairs.csv")  # a row a pair of variants
    findings = At("findings.csv")  # a row a claim and pair of variants
    figures = At("figures")
    whole = At(".complete")  # there only while the report has every run: a partial one lies at the same place
    made_of = At(".made-of")  # a digest of the records that it was made from, see `report_digest`

    @property
    def tables(self) -> tuple[Path, ...]:
        """The files beside the page and the figures."""
        return self.text, self.metrics, self.comparison, self.pairs, self.findings


@dataclass(frozen=True)
class RunFolder:
    """`results/BENCHMARK/DATASET/VARIANT/seedN/`: one run. What is not there yet is read as None or empty.

    It holds a training that came to its end, and what was made from that. One that goes on, or did not come
    to its end, has the same files in the folder of `attempt`, until it takes the place of the finished one.
    """

    path: Path

    # Written by `train`.
    spec_file = At("spec.json")  # the RunSpec with its digest
    record_file = At("record.json")  # status, provenance, cost; see `records.Record`
    history_file = At("history.jsonl")  # one line a validation, while it trains; see `records.HISTORY_KEYS`
    checkpoint = At("checkpoint.pt")  # weights and EMA weights of the best validation, once it has ended
    pictures_folder = At("pictures")  # samples while it trained, see `picture`; at validations 1, 2, 4, ...
    lock = At(".train.lock")  # locked while it is trained
    # By `trial`, in the place of all that follows; it names the training that it is of.
    trial_file = At("trial.json")  # how it went, failed ones too; see `records.TrialRecord`
    # By `evaluate`.
    metrics_file = At("metrics.json")  # test NLL (nats/image), bits/dim, perplexity; see `records.Metrics`
    nats = At("nats.npz")  # nats per test image; mean nats per pixel, and per channel
    model = At("model.safetensors")  # the EMA weights alone, for use elsewhere; see `evaluation.export`
    # By `sample`.
    samples = At("samples.npz")  # `images` uint8 [n, C, H, W] and `labels` int64 [n] (-1: none)
    sample_grid = At("samples.png")  # the same as a grid
    completions = At("completions.npz")  # test images whose lower half was drawn anew
    completion_grid = At("completions.png")
    sampled = At("sampled.json")  # how both were drawn; see `records.sampled`
    # By `analyse`.
    analysis_file = At("analysis.json")  # gaps, receptive field, neighbours, ...; see `records.Analysis`
    #: The maps and the neighbours behind it. n samples, m test images, K classes; the last four are of
    #: conditional runs.
    #:
    #: reach            bool [H, W]           pixels that can influence the parameters of the centre at all
    #: effective        float64 [H, W]        their influence in the trained model: sum 1, or all 0 if none
    #: sample_nearest   int64 [n]             index of the training image nearest to each image of `samples`
    #: sample_distance  float64 [n]           and its distance: root mean square of pixels scaled to 0..1
    #: sample_mirrored  bool [n]              where training mirrors images: whether its mirror image is meant
    #: test_distance    float64 [m]           the same of the first test images, as many as there are samples
    #: confusion        int64 [K, K]          judged samples by the label asked for (row) and the answer
    #: offsets_seen     bool [offsets]         of a field with the rule `offsets`: whether its reach has each
    #: judged           uint8 [k, C, H, W]    the first two judged samples of each class
    #: judged_labels    int64 [k]             the labels asked for
    #: judged_answers   int64 [k]             the classifier's answers
    analysis_arrays = At("analysis.npz")

    @property
    def evaluated(self) -> tuple[Path, ...]:
        """What `evaluate` makes."""
        return self.metrics_file, self.nats, self.model

    @property
    def drawn(self) -> tuple[Path, ...]:
        """What `sample` makes."""
        grids = self.sample_grid, self.completion_grid
        return self.samples, self.completions, *grids, self.sampled

    @property
    def analysed(self) -> tuple[Path, ...]:
        """What `analyse` makes."""
        return self.analysis_file, self.analysis_arrays

    @property
    def results(self) -> tuple[Path, ...]:
        """What is made from a training; void as soon as the run is retrained."""
        return (self.checkpoint, *self.evaluated, *self.drawn, *self.analysed)

    @property
    def attempt(self) -> RunFolder:
        """The training that goes on, or did not come to its end."""
        return RunFolder(self.path / "training")

    @property
    def told(self) -> str | None:
        """The digest of the training that is here, if spec and record are there and name the same one."""
        spec, record = _digest_in(self.spec_file), _digest_in(self.record_file)
        return spec if spec == record else None

    def training_of(self, digest: str) -> RunFolder:
        """Where the records of the training of a spec are: the finished one's, else those of the attempt.

        Without either, where there is any training at all.
        """
        trained = self.has_weights(digest) and _digest_in(self.spec_file) == digest
        if trained or not self.attempt.record_file.exists():
            return self
        is_newest = _digest_in(self.attempt.record_file) == digest
        return self.attempt if is_newest or not self.record_file.exists() else self

    def has_weights(self, digest: str) -> bool:
        """Whether those of the training of a spec are here: its checkpoint, or the exported model alone."""
        return self.checkpoint.exists() or (self.model.exists() and _digest_in(self.metrics_file) == digest)

    @property
    def begun(self) -> bool:
        """Whether this is the folder of a run at all."""
        return self.spec_file.exists() or self.record_file.exists()

    def state(self, digest: str) -> Path:
        """What an interrupted training of a spec resumes from, see `training.state`; "*": of any spec."""
        return self.path / f"state-{digest}.pt"

    def picture(self, number: int, counted_in: str = "epoch") -> Path:
        """The samples that were drawn after so many epochs or images: epoch00001.png, images000004000.png."""
        digits = 5 if counted_in == "epoch" else 9
        return self.pictures_folder / f"{counted_in}{number:0{digits}d}.png"

    def pictures(self) -> dict[int, Path]:
        """The pictures that were drawn while it trained, by the epoch or the images."""
        found = [(PICTURE.fullmatch(path.name), path) for path in sorted(self.pictures_folder.glob("*.png"))]
        return {int(match[1]): path for match, path in found if match}

    def spec(self) -> RunSpec | None:
        """The spec that was trained."""
        value = _json(self.spec_file)
        return None if value is None else RunSpec.from_json(value)

    def record(self) -> Record | None:
        """How the training went or goes."""
        value = _json(self.record_file)
        return None if value is None else Record(**value)

    def metrics(self) -> Metrics | None:
        """The test results, if the run was evaluated."""
        value = _json(self.metrics_file)
        return None if value is None else Metrics(**value)

    def analysis(self) -> Analysis | None:
        """What a look into the model showed, if the run was analysed."""
        value = _json(self.analysis_file)
        return None if value is None else Analysis(**value)

    def trial(self) -> TrialRecord | None:
        """How it went as a trial of a tuning, once that ended."""
        value = _json(self.trial_file)
        return None if value is None else TrialRecord(**value)

    def history(self) -> list[dict[str, Any]]:
        """One line a validation. A last line without its newline is still being written: left out."""
        if not self.history_file.exists():
            return []
        lines = self.history_file.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]


def _digest_in(path: Path) -> Any:
    """The digest that a JSON file names; None if it cannot be read."""
    try:
        value = _json(path)
    except UserError:
        return None
    return value.get("digest") if isinstance(value, dict) else None


def _json(path: Path) -> Any:
    return read_json(path) if path.exists() else None
