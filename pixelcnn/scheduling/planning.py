"""Checks of a benchmark that need the datasets' and the architectures' own words, before anything runs."""

from __future__ import annotations

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.preparation import check_dataset
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.models.registry import build_model
from pixelcnn.models.size import size_of
from pixelcnn.scheduling.estimates import Size
from pixelcnn.system.errors import ConfigError


def check_benchmark(benchmark: Benchmark) -> dict[tuple[str, str], Size]:
    """Check every dataset and variant; returns the size of the network of each (dataset, variant).

    Raises:
        ConfigError: naming the first key that cannot be run, such as a hyper-parameter that the
            architecture does not have, or a conditional variant on a dataset without labels.
    """
    seed = benchmark.seeds[0]
    return {
        (dataset, variant): Size(*size_of(check_run(benchmark.run(dataset, variant, seed))))
        for dataset in benchmark.datasets
        for variant in benchmark.variants
    }


def check_run(spec: RunSpec) -> AutoregressiveModel:
    """Check one run as `check_benchmark` does; returns its network, untrained."""
    try:
        source = check_dataset(spec.dataset)
    except ConfigError as error:
        raise ConfigError(f"datasets.{spec.dataset_name}.{error}") from None
    size = spec.dataset.image_size or source.SIZE
    image = ImageSpec(1, size, size, spec.dataset.levels, source.CLASSES)
    try:
        model, _ = build_model(spec.variant, image)
    except ConfigError as error:
        where = f"variants.{spec.variant_name}.{error}"
        raise ConfigError(f"{where} (on dataset {spec.dataset_name})") from None
    return model
