"""The trials of a tuning as a benchmark: a variant for each trial, trained at the seeds of the tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import TrainingSpec, VariantSpec, merged
from pixelcnn.config.tuning import Trial, TuningSpec, split
from pixelcnn.results.folder import tuning_folder
from pixelcnn.system.errors import ConfigError


def trials_of(benchmark: Benchmark) -> Benchmark:
    """The benchmark of a resolved one's trials, which is resolved, too; of such a benchmark itself.

    It has a name and so a folder of its own, the variants `VARIANT.t00`, `VARIANT.t01`, ..., and the seeds of
    the tuning. Nothing else differs, but that nobody needs pictures of every trial.

    Raises:
        ConfigError: if the config has no tuning.
    """
    if benchmark.tunes is not None:
        return benchmark
    tuning = tuning_of(benchmark)
    assert benchmark.resolved, "only a resolved benchmark knows its trials"
    variants = {t.name: with_values(benchmark.variants[t.variant], t) for t in tuning.planned}
    widths = {trial.name: trial.match for trial in tuning.planned if trial.match}
    return replace(
        benchmark,
        benchmark=tuning_folder(benchmark).path.name,
        variants={
            name: _shortened(name, v, benchmark.training, tuning.share) for name, v in variants.items()
        },
        seeds=tuning.seeds,
        tracking=replace(benchmark.tracking, pictures=0),
        tuning=None,
        tuned=None,
        matched=dict.fromkeys(benchmark.datasets, widths) if widths else None,
        tunes=benchmark,
    )


def _shortened(name: str, variant: VariantSpec, common: TrainingSpec, share: float) -> VariantSpec:
    """A variant that trains for a share of its budget, with a warm-up as much shorter.

    Raises:
        ConfigError: if its budget is in epochs of which that leaves no whole number.
    """
    if share == 1:
        return variant
    recipe = common.changed(variant.training)
    short: dict[str, Any] = {"warmup_steps": round(share * recipe.warmup_steps)}
    if recipe.images is not None:
        short["images"] = max(1, round(share * recipe.images))
    else:
        assert recipe.epochs is not None  # a recipe has one of the two
        epochs = round(share * recipe.epochs)
        if epochs < 1 or abs(epochs - share * recipe.epochs) > 1e-9:
            raise ConfigError(
                f"tuning.share: {share:g} of the {recipe.epochs} epochs of {name} is no whole number; "
                "give `images`"
            )
        short["epochs"] = epochs
    return replace(variant, training=merged(variant.training, short))


def tuned(benchmark: Benchmark) -> Benchmark:
    """The benchmark that the trials of this one are of.

    Raises:
        ConfigError: if its variants are no trials.
    """
    if benchmark.tunes is None:
        raise ConfigError(f"{benchmark.benchmark}: no benchmark of trials; `snakemake tune` makes one")
    return benchmark.tunes


def tuning_of(benchmark: Benchmark) -> TuningSpec:
    """What the config says of tuning.

    Raises:
        ConfigError: if it says nothing.
    """
    if benchmark.only is not None:
        raise ConfigError("only: leave it out, for a tuning gives all its variants the same trials")
    if benchmark.tuning is None:
        raise ConfigError(
            "tuning: not in the config; say what to try, such as tuning: {trials: 8, seeds: [1000], space: "
            "{training.learning_rate: {low: 0.001, high: 0.03, scale: log}}}"
        )
    return benchmark.tuning


def with_values(variant: VariantSpec, trial: Trial) -> VariantSpec:
    """A variant with the values of a trial; that of the first trial as it is."""
    if trial.number == 0:
        return variant
    given: dict[str, dict[str, object]] = {"training": {}, "hyperparameters": {}}
    for key, value in trial.values.items():
        place, name = split(key)
        given[place][name] = value
    return replace(
        variant,
        training=merged(variant.training, given["training"]),
        hyperparameters=variant.hyperparameters | given["hyperparameters"],
    )
