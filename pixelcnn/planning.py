"""Checks of a benchmark that need the datasets' and the architectures' own words, before anything runs."""

from __future__ import annotations

from pixelcnn.config import Benchmark, RunSpec
from pixelcnn.data.preparation import check_dataset
from pixelcnn.errors import ConfigError
from pixelcnn.models.base import ImageSpec
from pixelcnn.models.registry import build_model


def check_benchmark(benchmark: Benchmark) -> dict[tuple[str, str], int]:
    """Check every dataset and variant; returns the parameter count of each (dataset, variant).

    Raises:
        ConfigError: naming the first key that cannot be run, such as a hyper-parameter that the
            architecture does not have, or a conditional variant on a dataset without labels.
    """
    seed = benchmark.seeds[0]
    return {
        (dataset, variant): check_run(benchmark.run(dataset, variant, seed))
        for dataset in benchmark.datasets
        for variant in benchmark.variants
    }


def check_run(spec: RunSpec) -> int:
    """Check one run as `check_benchmark` does; returns its parameter count."""
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
    return sum(p.numel() for p in model.parameters())
