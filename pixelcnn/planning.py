"""Checks of a benchmark that need the datasets' and the architectures' own words, before anything runs."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from pixelcnn.config import Benchmark, RunSpec
from pixelcnn.data.preparation import check_dataset
from pixelcnn.errors import ConfigError
from pixelcnn.estimates import Size
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.models.registry import build_model


def check_benchmark(benchmark: Benchmark) -> dict[tuple[str, str], Size]:
    """Check every dataset and variant; returns the size of the network of each (dataset, variant).

    Raises:
        ConfigError: naming the first key that cannot be run, such as a hyper-parameter that the
            architecture does not have, or a conditional variant on a dataset without labels.
    """
    seed = benchmark.seeds[0]
    return {
        (dataset, variant): size_of(check_run(benchmark.run(dataset, variant, seed)))
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


def size_of(model: AutoregressiveModel) -> Size:
    """The parameters of a network, and the multiply-adds of one image's forward pass."""
    image = torch.zeros(1, *model.image_shape, dtype=torch.long)
    label = None if model.image.classes is None else torch.zeros(1, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image, label)
    parameters = sum(p.numel() for p in model.parameters())
    return Size(parameters, counter.get_total_flops() // 2)  # a multiply-add counts as two
