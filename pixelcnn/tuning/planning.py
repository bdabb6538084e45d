"""Which values the trials of each variant have; asks the architectures, and so needs torch."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.fields import from_plain
from pixelcnn.config.matching import Match
from pixelcnn.config.run_spec import TrainingSpec, VariantSpec, merged
from pixelcnn.config.tuning import Dimension, Trial, TuningSpec, did_you_mean, split
from pixelcnn.models import matching, registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.system.errors import ConfigError
from pixelcnn.tuning.points import points


def planned(benchmark: Benchmark, images: Mapping[str, ImageSpec]) -> TuningSpec | None:
    """The tuning of a benchmark with every trial, checked; its variants must be resolved.

    A variant is tuned over those keys of the space that its architecture has, and left as it is if it has
    none. All take the same points, and of each what concerns it. One with `match_parameters` has them in
    every trial, by a width of its own. `images` are those of each dataset.

    Raises:
        ConfigError: naming the key that no variant has, or the value that a variant does not take.
    """
    tuning = benchmark.tuning
    if tuning is None:
        return None
    ((dataset, image),) = images.items()
    chosen = {name: benchmark.variants[name] for name in tuning.variants or benchmark.variants}
    _check_widths(chosen, tuning)
    types_of = {name: _types(variant) for name, variant in chosen.items()}
    whole = [key for key in tuning.space if _is_whole(key, tuning.space[key], types_of)]
    at = points(tuning.space, tuning.trials - 1, whole)
    trials = []
    for name in chosen:
        if keys := [key for key in tuning.space if key in types_of[name]]:
            own = [{key: point[key] for key in keys} for point in at]
            as_written = _as_written(benchmark, benchmark.variant_on(dataset, name), keys)
            trials.append(Trial(name, 0, as_written, benchmark.match(dataset, name)))
            checked = (_checked(benchmark, name, values, image) for values in own)
            trials += [Trial(name, number, *found) for number, found in enumerate(checked, start=1)]
    return replace(tuning, planned=tuple(trials))


def _check_widths(variants: Mapping[str, VariantSpec], tuning: TuningSpec) -> None:
    """Refuse to tune the width of a variant whose width follows from the others.

    Raises:
        ConfigError: naming the key.
    """
    for name, variant in variants.items():
        if variant.match_parameters is not None:
            key = f"hyperparameters.{matching.width_of(variant.model)}"
            if key in tuning.space:
                raise ConfigError(
                    f"tuning.space.{key}: variant {name} has match_parameters, by which this is found; tune "
                    "something else, or leave out match_parameters"
                )


def _types(variant: VariantSpec) -> dict[str, Any]:
    """The keys of a space that a variant has, and their types."""
    _, described_by = registry.find_architecture(variant.model)
    places: dict[str, type[Any]] = {"training": TrainingSpec, "hyperparameters": described_by}
    return {
        f"{place}.{field.name}": hints[field.name]
        for place, cls in places.items()
        for hints in [typing.get_type_hints(cls)]
        for field in dataclasses.fields(cls)
        if field.init
    }


def _is_whole(key: str, dimension: Dimension, types_of: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a range takes whole numbers only, because a variant does.

    Raises:
        ConfigError: if no variant has the key, or one takes no number there.
    """
    having = {name: known[key] for name, known in types_of.items() if key in known}
    if not having:
        place, wrong = split(key)
        known = sorted({name for own in types_of.values() for at, name in map(split, own) if at == place})
        raise ConfigError(f"tuning.space.{key}: no variant has it{did_you_mean(wrong, known)}")
    if dimension.choices is not None:
        return False
    for name, annotation in having.items():
        if not {int, float} & _members(annotation):
            raise ConfigError(
                f"tuning.space.{key}: variant {name} takes no number there: give choices instead of a range"
            )
    return any(float not in _members(annotation) for annotation in having.values())


def _members(annotation: Any) -> set[Any]:
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    return set(typing.get_args(annotation)) if is_union else {annotation}


def _as_written(benchmark: Benchmark, variant: VariantSpec, keys: list[str]) -> dict[str, Any]:
    """The values that the config gives by itself, defaults included."""
    _, described_by = registry.find_architecture(variant.model)
    recipe = asdict(benchmark.training.changed(variant.training))
    hyperparameters = asdict(from_plain(described_by, variant.hyperparameters, "hyperparameters"))
    own = json.loads(json.dumps({"training": recipe, "hyperparameters": hyperparameters}))
    return {key: own[place][name] for key in keys for place, name in [split(key)]}


def _checked(
    benchmark: Benchmark, name: str, values: Mapping[str, Any], image: ImageSpec
) -> tuple[dict[str, Any], Match | None]:
    """Values of a trial, as its variant takes them, and the width found for them, if one is asked for.

    Raises:
        ConfigError: naming the key of the space.
    """
    from pixelcnn.config.validation import validated  # only here: who trains needs no pydantic

    variant = benchmark.variants[name]
    given = {split(key): value for key, value in values.items()}
    own = {key: value for (place, key), value in given.items() if place == "hyperparameters"}
    recipe = {key: value for (place, key), value in given.items() if place == "training"}
    with _of_variant(name, values):
        tried = replace(variant, hyperparameters=variant.hyperparameters | own)
        match = None if variant.match_parameters is None else matching.match_of(tried, image)
        found = match.hyperparameters if match else registry.resolve(tried).hyperparameters
        training = merged(asdict(benchmark.training.changed(variant.training)), recipe)
        trained = asdict(validated(TrainingSpec, training, "training"))
    # What is at its absence's value is not among the resolved ones.
    taken = {"training": trained, "hyperparameters": own | found}
    return {f"{place}.{key}": taken[place][key] for place, key in given}, match


@contextlib.contextmanager
def _of_variant(name: str, values: Mapping[str, Any]) -> Iterator[None]:
    try:
        yield
    except matching.NoMatch as error:
        point = ", ".join(f"{key}: {value}" for key, value in values.items())
        raise ConfigError(f"tuning.space: variant {name} at {{{point}}}: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"tuning.space.{error} (variant {name})") from None
