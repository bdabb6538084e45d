"""A benchmark description, typed and validated, and the runs that it stands for.

Needs nothing but the standard library (and PyYAML for YAML files), so that the Snakefile can
import it and a bare GPU machine can run from the resolved JSON file.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pixelcnn.errors import ConfigError
from pixelcnn.files import sha256

T = TypeVar("T")

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


def at_least(minimum: float, default: Any = dataclasses.MISSING, maximum: float = math.inf) -> Any:
    """A dataclass field whose number must lie in [minimum, maximum]."""
    return field(default=default, metadata={"minimum": minimum, "maximum": maximum})


@dataclass(frozen=True)
class DatasetSpec:
    """Which images, at which size and with how many grey levels."""

    source: str
    image_size: int | None = at_least(1, None)
    levels: int = at_least(2, 256, 256)
    binarize: Literal["threshold", "stochastic"] | None = None
    split_seed: int = at_least(0, 0)

    def __post_init__(self) -> None:
        if self.binarize is not None and self.levels != 2:
            raise ConfigError(f"binarize: {self.binarize} needs levels: 2, got levels: {self.levels}")


@dataclass(frozen=True)
class TrainingSpec:
    """The recipe of a run. Steps are optimizer steps, NLL is in nats per image."""

    epochs: int = at_least(1, 20)
    batch_size: int = at_least(1, 64)
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = at_least(1e-12, 3e-3)
    weight_decay: float = at_least(0, 1e-4)
    warmup_steps: int = at_least(0, 100)
    gradient_clip: float = at_least(1e-12, 1.0)
    ema_decay: float = at_least(0, 0.999, 1 - 1e-12)
    patience: int | None = at_least(1, None)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True)
class VariantSpec:
    """An architecture with its hyper-parameters, and perhaps a recipe of its own."""

    model: str
    conditional: bool = False
    likelihood: Literal["auto", "bernoulli", "categorical"] = "auto"
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


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
class JobSpec:
    """What one kind of job asks a cluster for; null is an estimate (see `estimates`)."""

    # Two at least: a job is asked to stop a minute before its end, and must have begun by then.
    minutes: int | None = at_least(2, None)
    memory_mb: int | None = at_least(1, None)


@dataclass(frozen=True)
class JobsSpec:
    """What the jobs of the runs ask a cluster for, and how many runs one job takes.

    `gpus` is what each job of a run asks for; null means one if the benchmark's device is a GPU.
    `classify` trains the classifier of a dataset, `measure` times one variant on a machine of its own.
    With `runs_per_job` above 1 one job trains, evaluates, samples and analyses several runs.
    """

    train: JobSpec = JobSpec()
    evaluate: JobSpec = JobSpec()
    sample: JobSpec = JobSpec()
    analyse: JobSpec = JobSpec()
    classify: JobSpec = JobSpec()
    measure: JobSpec = JobSpec()
    gpus: int | None = at_least(0, None)
    runs_per_job: int = at_least(1, 1, 200)  # their names go into one command line


@dataclass(frozen=True)
class TrackingSpec:
    """Where MLflow keeps its runs; no uri means sqlite under the results folder.

    `pictures` samples are drawn while a run trains, after epochs 1, 2, 4, 8, ... and the last; 0: none.
    """

    enabled: bool = True
    uri: str | None = None
    pictures: int = at_least(0, 10)


@dataclass(frozen=True)
class RunSpec:
    """One training: everything that decides its result, and the names it goes by."""

    benchmark: str
    dataset_name: str
    variant_name: str
    seed: int
    dataset: DatasetSpec
    variant: VariantSpec
    training: TrainingSpec
    own_files: dict[str, str] = field(default_factory=dict)  # path of a user's .py file -> SHA-256

    @property
    def name(self) -> str:
        """dataset/variant/seedN: unique within a benchmark."""
        return f"{self.dataset_name}/{self.variant_name}/seed{self.seed}"

    @property
    def digest(self) -> str:
        """16 hex digits of SHA-256 over what decides the result; names do not."""
        return _digest(
            {
                "dataset": dataclasses.asdict(self.dataset),
                "model": self.variant.model,
                "conditional": self.variant.conditional,
                "likelihood": self.variant.likelihood,
                "hyperparameters": self.variant.hyperparameters,
                "training": dataclasses.asdict(self.training),
                "seed": self.seed,
                "own_files": self.own_files,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `RunSpec.from_json` makes the same spec."""
        return {**dataclasses.asdict(self), "digest": self.digest}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunSpec:
        """The spec that `to_json` wrote.

        Raises:
            ConfigError: if a key is unknown or the digest does not match the content.
        """
        content = {key: item for key, item in value.items() if key != "digest"}
        spec = build(cls, content, "spec")
        if value.get("digest") != spec.digest:
            raise ConfigError(f"spec: digest {value.get('digest')} does not match its content")
        return spec


@dataclass(frozen=True)
class Benchmark:
    """What a config file says: datasets x variants x seeds, and how to run them."""

    benchmark: str
    datasets: dict[str, DatasetSpec]
    variants: dict[str, VariantSpec]
    seeds: tuple[int, ...]
    training: TrainingSpec = TrainingSpec()
    sampling: SamplingSpec = SamplingSpec()
    analysis: AnalysisSpec = AnalysisSpec()
    saving: SavingSpec = SavingSpec()
    jobs: JobsSpec = JobsSpec()
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


def build(cls: type[T], value: Any, where: str) -> T:
    """Make a dataclass from plain data, refusing unknown keys and wrong types.

    `where` is the dotted path of the value in the config, for messages.

    Raises:
        ConfigError: naming the key, what it held and what was expected.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where or 'the config'}: expected keys and values, got {value!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    for key in value:
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            expected = ", ".join(fields) or "no key at all"
            raise ConfigError(f"{prefix}{key}: unknown key{hint} (expected: {expected})")
    hints = typing.get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for name, spec in fields.items():
        if name in value:
            arguments[name] = _convert(hints[name], value[name], f"{prefix}{name}")
            _check_range(arguments[name], spec.metadata, f"{prefix}{name}")
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{prefix}{name}: missing; {cls.__name__} needs it")
    try:
        return cls(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}") from None


def _check_range(value: Any, metadata: Mapping[str, float], where: str) -> None:
    if value is None or "minimum" not in metadata:
        return
    low, high = metadata["minimum"], metadata["maximum"]
    if not low <= value <= high:
        bounds = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise ConfigError(f"{where}: must be {bounds}, got {value!r}")


def _convert(expected: Any, value: Any, where: str) -> Any:
    """`value` as the annotated type `expected`; numbers may come as strings (YAML's 1e-3 does)."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if expected is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        inner = next(a for a in arguments if a is not type(None))
        return _convert(inner, value, where)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: expected one of {', '.join(arguments)}; got {value!r}")
        return value
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected keys and values, got {value!r}")
        return {str(k): _convert(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: expected a list, got {value!r}")
        return tuple(_convert(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if isinstance(expected, type) and dataclasses.is_dataclass(expected):
        return value if isinstance(value, expected) else build(expected, value, where)
    return _convert_scalar(expected, value, where)


def _convert_scalar(expected: Any, value: Any, where: str) -> Any:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if expected is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if expected in (bool, str) and isinstance(value, expected):
        return value
    if expected in (int, float) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number) and (expected is float or number.is_integer()):
            return expected(number)
    raise ConfigError(f"{where}: expected {names[expected]}, got {value!r}")


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dataset_digest(spec: DatasetSpec) -> str:
    """16 hex digits of SHA-256 over a dataset's description and, if it is the user's own, its file."""
    return _digest([dataclasses.asdict(spec), _own_files(spec.source)])


def _own_files(*names: str) -> dict[str, str]:
    """SHA-256 of each name that is a user's own .py file; one that is missing is left to the checks."""
    paths = [Path(name) for name in names if name.endswith(".py")]
    return {str(path): sha256(path) for path in paths if path.is_file()}
