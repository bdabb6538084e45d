"""What a benchmark's description says, and the runs that it stands for.

Plain dataclasses: `reading` makes them from what users write, by pydantic, and from the resolved config.json
without it, so that a bare GPU machine can run a benchmark that was planned elsewhere.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from pixelcnn.config.fields import added, at_least, internal
from pixelcnn.config.jobs import JobsSpec
from pixelcnn.config.matching import Match
from pixelcnn.config.run_spec import (
    FORMAT,
    MOST_EPOCHS,
    DatasetSpec,
    RunSpec,
    TrainingSpec,
    VariantSpec,
    likelihood_for,
)
from pixelcnn.config.tuned import TunedVariant, check_tuned
from pixelcnn.config.tuning import TuningSpec
from pixelcnn.system.code_digest import own_files
from pixelcnn.system.errors import ConfigError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: Characters of a name: a dataset's and a variant's stand in the names of files together, with more around.
LONGEST_NAME = 80
RESERVED_NAMES = (
    "report",
    "logs",
    "mlflow",
    "packs",
    "config.json",
    "plan.json",
    "precision.json",
    "looks.json",
    "merged.json",
    "tracking.json",
    "tuned.yaml",
    "trials.csv",
    "data.npz",
    "classifier.pt",
    "classifier.json",
)

#: What logits may be divided by: beyond, it is no other distribution, and at last none at all in floats.
TEMPERATURES = (1e-6, 1e6)
#: CPU threads, at most: a slip of the pen above.
MOST_THREADS = 4096
#: The hyper-parameter of an architecture that knows the field which the images of a dataset are drawn from.
FIELD = "field"
#: Images that are drawn or looked at, at most: they are in memory together.
MOST_IMAGES = 1_000_000


@dataclass(frozen=True)
class SamplingSpec:
    """What is drawn from each run: samples, and test images whose lower half is completed."""

    images: int = at_least(1, 20, MOST_IMAGES)
    completions: int = at_least(1, 8, MOST_IMAGES)
    temperature: float = at_least(TEMPERATURES[0], 1.0, TEMPERATURES[1])


@dataclass(frozen=True)
class AnalysisSpec:
    """How closely trained models are looked at: more images mean less noise and more time."""

    # Test images that the effective receptive field is averaged over.
    images: int = at_least(1, 64, MOST_IMAGES)
    # Of each conditional run, for the classifier to judge.
    samples: int = at_least(1, 300, MOST_IMAGES)
    # Training images that the gap to validation is taken over, drawn at random, the same ones of every run;
    # null: all of them.
    train_images: int | None = at_least(1, None, MOST_IMAGES, absent=None)


@dataclass(frozen=True)
class AuditSpec:
    """How many test images of one run of each variant are compressed without loss, to see what they cost."""

    images: int = at_least(0, 100, MOST_IMAGES)
    """Drawn at random, the same ones of every variant; 0: none."""


@dataclass(frozen=True)
class SavingSpec:
    """How often a training saves the state from which it resumes after an interruption.

    It is also saved at the end and when a signal asks the training to stop. By the clock it is saved
    less often than asked for if that would take more than 2 % of the time. After so many `epochs`: at the
    first validation then.
    """

    minutes: float | None = at_least(0, 1.0)
    epochs: int | None = at_least(1, None, MOST_EPOCHS)


@dataclass(frozen=True)
class TrackingSpec:
    """Where MLflow keeps its runs; no uri means sqlite under the results folder.

    `pictures` samples are drawn while a run trains, after its validations 1, 2, 4, 8, ... and the last; 0:
    none.
    """

    enabled: bool = True
    uri: str | None = None
    pictures: int = at_least(0, 10, 10_000)


@dataclass(frozen=True)
class ReportSpec:
    """How the report compares variants."""

    equivalent_within: float = at_least(0, 0.005, 1)
    """Variants are equivalent if their NLL differs by less than this share of the best one's."""


@dataclass(frozen=True)
class Benchmark:
    """What a config file says: datasets x variants x seeds, and how to run them."""

    benchmark: str
    datasets: dict[str, DatasetSpec]
    variants: dict[str, VariantSpec]
    seeds: tuple[int, ...]
    training: TrainingSpec
    only: tuple[str, ...] | None = added(None, absent=None)
    """Variants of those that are written: the benchmark has no others. Null: all."""
    tuning: TuningSpec | None = added(None, absent=None)  # noqa: RUF009  # a field
    """What `snakemake tune` tries; it changes no run of this benchmark."""
    tuned: dict[str, TunedVariant] | None = added(None, absent=None)  # noqa: RUF009  # a field
    """Which variants were tuned, and by which trials, as `snakemake tune` writes it; it changes no run."""
    sampling: SamplingSpec = SamplingSpec()
    analysis: AnalysisSpec = AnalysisSpec()
    audit: AuditSpec | None = added(None, absent=None)  # noqa: RUF009  # a field
    """Whether test images are compressed by each variant; null: no."""
    report: ReportSpec = added(ReportSpec(), absent=ReportSpec())  # noqa: RUF009  # a field
    saving: SavingSpec = SavingSpec()
    jobs: JobsSpec = field(default_factory=JobsSpec)
    tracking: TrackingSpec = TrackingSpec()
    title: str = ""
    note: str = ""
    data_root: str = "data"
    results: str = "results"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    runs_per_gpu: int = at_least(1, 1, 1000)
    threads: int = at_least(1, 1, MOST_THREADS)
    resolved: bool = internal(False)
    """Whether all that decides results is written out."""
    asked: str = internal("")
    """Of a resolved one: what it was resolved from, see `scheduling.resolution`."""
    matched: dict[str, dict[str, Match]] | None = internal(None)  # noqa: RUF009  # a field
    """Of a resolved one: dataset -> variant with `match_parameters` -> its width; None if there is none."""
    tunes: Benchmark | None = internal(None)  # noqa: RUF009  # a field
    """Of the benchmark of a tuning's trials: the one that is tuned, see `tuning.trials`."""

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
            if len(name) > LONGEST_NAME:
                raise ConfigError(
                    f"{key}: the name {name[:20]!r}... has {len(name)} characters, at most {LONGEST_NAME} fit"
                )
        if braces := {"{", "}"} & set(self.results):
            raise ConfigError(
                f"results: {self.results!r} has {min(braces)}, which Snakemake takes for a wildcard"
            )
        if len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds: each may stand once, got {list(self.seeds)}")
        if min(self.seeds) < 0:
            raise ConfigError(f"seeds: must be 0 or more, got {min(self.seeds)}")
        self._check_recipes()
        check_tuned(self.tuned or {}, list(self.variants), self.seeds)
        self._check_tuning()

    def _check_recipes(self) -> None:
        for name, variant in self.variants.items():
            try:
                self.training.changed(variant.training)
            except ConfigError as error:
                raise ConfigError(f"variants.{name}.training.{error}") from None

    def _check_tuning(self) -> None:
        if (tuning := self.tuning) is None:
            return
        if both := sorted({*tuning.seeds} & {*self.seeds}):
            raise ConfigError(
                f"tuning.seeds: {both[0]} is one of the seeds of the final runs, which would be compared by "
                f"what they were chosen for; take others than {list(self.seeds)}"
            )
        if len(self.datasets) > 1:
            raise ConfigError(
                f"tuning: needs one dataset, for a variant has one recipe; got {', '.join(self.datasets)}: "
                "make a config for each"
            )
        for name in tuning.variants or ():
            if name not in self.variants:
                known = ", ".join(self.variants)
                raise ConfigError(f"tuning.variants: {name!r} is not in the config, which has {known}")

    def chosen(self) -> Benchmark:
        """The benchmark of the variants in `only` alone. It is tuned by the whole config, so not by itself.

        Raises:
            ConfigError: if one of them is not there, or none or one twice is asked for.
        """
        if self.only is None:
            return self
        if not self.only:
            raise ConfigError("only: needs at least one entry; null: all variants")
        if len(set(self.only)) != len(self.only):
            raise ConfigError(f"only: each may stand once, got {list(self.only)}")
        if unknown := [name for name in self.only if name not in self.variants]:
            known = ", ".join(self.variants)
            raise ConfigError(f"only: {unknown[0]!r} is not in the config, which has {known}")
        return dataclasses.replace(
            self,
            variants={name: spec for name, spec in self.variants.items() if name in self.only},
            tuning=None,
            tuned={k: v for k, v in (self.tuned or {}).items() if k in self.only} or None,
        )

    def run(self, dataset: str, variant: str, seed: int) -> RunSpec:
        """The run of this benchmark, which must be resolved, with these names.

        Raises:
            ConfigError: if the benchmark has no such dataset, variant or seed.
        """
        assert self.resolved, "only a resolved benchmark has runs: see scheduling.planning and resolution"
        for key, name in (("datasets", dataset), ("variants", variant)):
            if name not in getattr(self, key):
                known = ", ".join(getattr(self, key))
                raise ConfigError(f"{key}: {name!r} is not in the config, which has {known}")
        if seed not in self.seeds:
            raise ConfigError(f"seeds: {seed} is not in the config, which has {list(self.seeds)}")
        images, network = self.datasets[dataset], self.variant_on(dataset, variant)
        likelihood = likelihood_for(network.likelihood, images.levels, images.channels or 1)
        asked = {"source": images.source, "model": network.model, "likelihood": likelihood}
        own = {key: files for key, name in asked.items() if (files := own_files(name))}
        return RunSpec(
            benchmark=self.benchmark,
            dataset_name=dataset,
            variant_name=variant,
            seed=seed,
            dataset=images,
            variant=dataclasses.replace(network, likelihood=likelihood),
            training=self.training.changed(network.training),
            own_files=own,
        )

    @property
    def audited(self) -> int:
        """How many test images of each variant are compressed."""
        return self.audit.images if self.audit else 0

    def match(self, dataset: str, variant: str) -> Match | None:
        """The width that was found for a variant on a dataset; None if it asks for none."""
        return (self.matched or {}).get(dataset, {}).get(variant)

    def variant_on(self, dataset: str, variant: str) -> VariantSpec:
        """A variant of a resolved benchmark as it is on a dataset: as if a width that was found was given.

        An architecture that knows the truth (it has the hyper-parameter `field`) is told that of the dataset.
        """
        spec, found = self.variants[variant], self.match(dataset, variant)
        if found is not None:
            spec = dataclasses.replace(spec, hyperparameters=found.hyperparameters, match_parameters=None)
        if FIELD in spec.hyperparameters:
            field = self.datasets[dataset].field
            told = {**spec.hyperparameters, FIELD: field and dataclasses.asdict(field)}
            asks = field is not None and field.label_matters
            spec = dataclasses.replace(spec, hyperparameters=told, conditional=asks)
        return spec

    def runs(self) -> list[RunSpec]:
        """Every run, dataset by dataset, variant by variant, seed by seed."""
        first = [self.run(d, v, self.seeds[0]) for d in self.datasets for v in self.variants]
        return [dataclasses.replace(run, seed=seed) for run in first for seed in self.seeds]

    def to_json(self) -> dict[str, Any]:
        """Plain data that `reading.benchmark_from` takes for the same benchmark, resolved."""
        plain = dataclasses.asdict(self)
        del plain["resolved"]
        for key in ("tuning", "tuned", "audit", "matched", "tunes"):  # most have none of them
            if plain[key] is None:
                del plain[key]
        return {"format": FORMAT, **plain}
