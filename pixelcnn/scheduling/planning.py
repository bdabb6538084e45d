"""Checks of a benchmark that need the datasets' and the architectures' own words, before anything runs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.matching import Match
from pixelcnn.config.reading import benchmark_from, load_benchmark
from pixelcnn.config.run_spec import DatasetSpec, RunSpec
from pixelcnn.data.contract import Source
from pixelcnn.data.preparation import check_dataset
from pixelcnn.models import registry
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.models.matching import match_of, without_width
from pixelcnn.models.size import size_of
from pixelcnn.scheduling.estimates import Size
from pixelcnn.scheduling.resolution import key_of
from pixelcnn.system.errors import ConfigError, RunFailed
from pixelcnn.tuning.planning import planned


def check_benchmark(benchmark: Benchmark) -> dict[tuple[str, str], Size]:
    """Check every dataset and variant; returns the size of the network of each (dataset, variant).

    Raises:
        ConfigError: naming the first key that cannot be run, such as a hyper-parameter that the
            architecture does not have, or a conditional variant on a dataset without labels.
    """
    benchmark = resolve(benchmark)
    seed = benchmark.seeds[0]
    return {
        (dataset, variant): _size(benchmark.run(dataset, variant, seed))
        for dataset in benchmark.datasets
        for variant in benchmark.variants
    }


def _size(spec: RunSpec) -> Size:
    model = check_run(spec)
    with _named_variant(spec), registry.errors_of(spec.variant, "run"):
        return Size(*size_of(model), baseline=model.baseline, truth=model.truth)


def resolve(benchmark: Benchmark) -> Benchmark:
    """The benchmark with all that decides results written out: hyper-parameters, sizes of images, trials.

    Raises:
        ConfigError: naming the key that the architecture or the dataset does not take.
    """
    if benchmark.resolved:
        return benchmark
    datasets, images = {}, {}
    for name, dataset in benchmark.datasets.items():
        with named(f"datasets.{name}"):
            source = check_dataset(dataset)
            datasets[name] = _resolved(dataset, source)
            images[name] = _image(datasets[name], source)
    matched = _matched(benchmark, images)
    variants = {}
    for name, variant in benchmark.variants.items():
        with named(f"variants.{name}"):
            found = next((own[name] for own in matched.values() if name in own), None)
            variants[name] = without_width(variant, found) if found else registry.resolve(variant)
    resolved = dataclasses.replace(
        benchmark,
        datasets=datasets,
        variants=variants,
        matched=matched or None,
        resolved=True,
        asked=key_of(benchmark),
    )
    return dataclasses.replace(resolved, tuning=planned(resolved, images))


def _matched(benchmark: Benchmark, images: Mapping[str, ImageSpec]) -> dict[str, dict[str, Match]]:
    """Dataset -> variant -> the width of each variant with `match_parameters`; nothing if there is none."""
    found: dict[str, dict[str, Match]] = {}
    for variant, spec in benchmark.variants.items():
        for dataset, image in images.items() if spec.match_parameters is not None else ():
            with named(f"variants.{variant}", f" (on dataset {dataset})"):
                found.setdefault(dataset, {})[variant] = match_of(spec, image)
    return found


def _image(spec: DatasetSpec, source: Source) -> ImageSpec:
    return ImageSpec(*source.shape(spec), spec.levels, source.classes)


def _resolved(dataset: DatasetSpec, source: Source) -> DatasetSpec:
    """With the size of the images and, if these are several, their channels."""
    resized = dataset.resized(*(dataset.height_width or source.size))
    return dataclasses.replace(resized, channels=source.channels) if source.channels > 1 else resized


def load_resolved(path: str | Path) -> Benchmark:
    """The benchmark of a config file, resolved.

    Raises:
        ConfigError: naming the file, the key, what it held and what was expected.
    """
    return resolve_named(load_benchmark(path), str(path))


def resolve_named(benchmark: Benchmark, where: str) -> Benchmark:
    """As `resolve`; an error says `where` the description stands."""
    try:
        return resolve(benchmark)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


@contextlib.contextmanager
def named(where: str, what: str = "") -> Iterator[None]:
    """A ConfigError of the block names where its key is; so does memory that runs out in it."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}{what}") from None
    except RunFailed as error:
        raise RunFailed(f"{where}: {error}{what}") from error


def _named_variant(spec: RunSpec) -> contextlib.AbstractContextManager[None]:
    return named(f"variants.{spec.variant_name}", f" (on dataset {spec.dataset_name})")


def check_run(spec: RunSpec) -> AutoregressiveModel:
    """Check one run as `check_benchmark` does; returns its network, untrained."""
    with named(f"datasets.{spec.dataset_name}"):
        source = check_dataset(spec.dataset)
    image = _image(spec.dataset, source)
    with _named_variant(spec):
        model, _ = registry.build_model(spec.variant, image)
    return model


def main() -> int:
    """What `resolution` starts: a description as JSON comes in, the resolved one goes out."""
    where = sys.argv[1]
    try:
        benchmark = resolve_named(benchmark_from(json.load(sys.stdin), where), where)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    json.dump(benchmark.to_json(), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
