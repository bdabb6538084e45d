"""A benchmark description, typed and validated, and the runs that it stands for.

Needs nothing but the standard library (and PyYAML for YAML files), so that the Snakefile can
import it and a bare GPU machine can run from the resolved JSON file.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pixelcnn.config.fields import at_least, build
from pixelcnn.config.jobs import JobsSpec
from pixelcnn.config.run_spec import DatasetSpec, RunSpec, TrainingSpec, VariantSpec, _own_files
from pixelcnn.system.errors import ConfigError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RESERVED_NAMES = (
    "report",
    "logs",
    "mlflow",
    "packs",
    "config.json",
    "plan.json",
    "tracking.json",
    "data.npz",
    "classifier.pt",
    "classifier.json",
)


@dataclass(frozen=True)
class SamplingSpec:
    """What is drawn from each run: samples, and test images whose lower half is completed."""

    images: int = at_least(1, 20)
    completions: int = at_least(1, 8)
    temperature: float = at_least(1e-6, 1.0)


@dataclass(frozen=True)
class AnalysisSpec:
    """How closely trained models are looked at: more images mean less noise and more time."""

    images: int = at_least(1, 64)  # test images that the effective receptive field is averaged over
    samples: int = at_least(1, 300)  # of each conditional run, for the classifier to judge


@dataclass(frozen=True)
class SavingSpec:
    """How often a training saves the state from which it goes on after an interruption.

    It is also saved at the end and when a signal asks the training to stop. By the clock it is saved
    less often than asked for if that would take more than 2 % of the time.
    """

    minutes: float | None = at_least(0, 1.0)
    epochs: int | None = at_least(1, None)


@dataclass(frozen=True)
class TrackingSpec:
    """Where MLflow keeps its runs; no uri means sqlite under the results folder.

    `pictures` samples are drawn while a run trains, after epochs 1, 2, 4, 8, ... and the last; 0: none.
    """

    enabled: bool = True
    uri: str | None = None
    pictures: int = at_least(0, 10)


@dataclass(frozen=True)
class Benchmark:
    """What a config file says: datasets x variants x seeds, and how to run them."""

    benchmark: str
    datasets: dict[str, DatasetSpec]
    variants: dict[str, VariantSpec]
    seeds: tuple[int, ...]
    training: TrainingSpec = field(default_factory=TrainingSpec)
    sampling: SamplingSpec = SamplingSpec()
    analysis: AnalysisSpec = AnalysisSpec()
    saving: SavingSpec = SavingSpec()
    jobs: JobsSpec = field(default_factory=JobsSpec)
    tracking: TrackingSpec = TrackingSpec()
    title: str = ""
    note: str = ""
    data_root: str = "data"
    results: str = "results"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    runs_per_gpu: int = at_least(1, 1)
    threads: int = at_least(1, 1)

    def __post_init__(self) -> None:
        for key in ("datasets", "variants", "seeds"):
            if not getattr(self, key):
                raise ConfigError(f"{key}: needs at least one entry")
        names = [("benchmark", self.benchmark)]
        names += [("datasets", n) for n in self.datasets] + [("variants", n) for n in self.variants]
        for key, name in names:
            if not NAME.fullmatch(name) or name in RESERVED_NAMES:
                raise ConfigError(
                    f"{key}: the name {name!r} becomes a folder: use letters, digits, '.', '_', '-', "
                    f"starting with a letter or digit, and none of {', '.join(RESERVED_NAMES)}"
                )
        if len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds: each may stand once, got {list(self.seeds)}")
        if min(self.seeds) < 0:
            raise ConfigError(f"seeds: must be 0 or more, got {min(self.seeds)}")
        for name in self.variants:
            self._training_of(name)

    def _training_of(self, variant_name: str) -> TrainingSpec:
        overrides = self.variants[variant_name].training
        merged = {**dataclasses.asdict(self.training), **overrides}
        return build(TrainingSpec, merged, f"variants.{variant_name}.training")

    def run(self, dataset: str, variant: str, seed: int) -> RunSpec:
        """The run of this benchmark with these names.

        Raises:
            ConfigError: if the benchmark has no such dataset, variant or seed.
        """
        for key, name in (("datasets", dataset), ("variants", variant)):
            if name not in getattr(self, key):
                known = ", ".join(getattr(self, key))
                raise ConfigError(f"{key}: {name!r} is not in the config, which has {known}")
        if seed not in self.seeds:
            raise ConfigError(f"seeds: {seed} is not in the config, which has {list(self.seeds)}")
        return RunSpec(
            benchmark=self.benchmark,
            dataset_name=dataset,
            variant_name=variant,
            seed=seed,
            dataset=self.datasets[dataset],
            variant=self.variants[variant],
            training=self._training_of(variant),
            own_files=_own_files(self.variants[variant].model, self.datasets[dataset].source),
        )

    def runs(self) -> list[RunSpec]:
        """Every run, dataset by dataset, variant by variant, seed by seed."""
        first = [self.run(d, v, self.seeds[0]) for d in self.datasets for v in self.variants]
        return [dataclasses.replace(run, seed=seed) for run in first for seed in self.seeds]

    @property
    def directory(self) -> Path:
        """The folder that holds everything this benchmark writes."""
        return Path(self.results) / self.benchmark

    @property
    def plan_file(self) -> Path:
        """The sizes of the networks: dataset -> variant -> parameters, multiply-adds."""
        return self.directory / "plan.json"

    def run_directory(self, spec: RunSpec) -> Path:
        """The folder of one run."""
        return self.directory / spec.dataset_name / spec.variant_name / f"seed{spec.seed}"

    def classifier_file(self, dataset: str) -> Path:
        """The classifier that judges conditional samples of one dataset."""
        return self.directory / dataset / "classifier.pt"

    def cost_file(self, dataset: str, variant: str) -> Path:
        """What a variant costs, measured by itself."""
        return self.directory / dataset / variant / "cost.json"

    def data_file(self, dataset: str) -> Path:
        """The prepared arrays of one dataset."""
        return self.directory / dataset / "data.npz"

    def to_json(self) -> dict[str, Any]:
        """Plain data that `build(Benchmark, ...)` accepts."""
        return dataclasses.asdict(self)


def load_benchmark(path: str | Path) -> Benchmark:
    """Read and validate a benchmark description, YAML or JSON.

    Raises:
        ConfigError: if the file is missing, cannot be parsed, or says what cannot be run.
    """
    path = Path(path)
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the config: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8: {error}") from error
    if path.suffix == ".json":
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{path}: not valid JSON: {error}") from error
    else:
        import yaml  # only here: a bare GPU machine may lack it and use the resolved JSON

        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not valid YAML: {error}") from error
    return benchmark_from(value, str(path))


def benchmark_from(value: Any, where: str = "config") -> Benchmark:
    """Validate a benchmark description that was already parsed.

    Raises:
        ConfigError: naming `where`, the key, what it held and what was expected.
    """
    try:
        return build(Benchmark, value, "")
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
