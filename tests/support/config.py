"""A description of a benchmark, and others that differ from it by one value."""

from __future__ import annotations

import copy
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.reading import benchmark_from
from pixelcnn.scheduling.planning import resolve

GOOD = {
    "benchmark": "b",
    "datasets": {"small": {"source": "mnist5k", "image_size": 14, "levels": 16}},
    "variants": {
        "base": {"model": "pixelcnn", "hyperparameters": {"channels": 4, "blocks": 1}},
        "cond": {"model": "gated", "conditional": True},
    },
    "seeds": [0, 1],
    "training": {"epochs": 20},
}


def resolved(config: dict[str, Any] | None = None) -> Benchmark:
    """The benchmark of a description, by default of `GOOD`, with all that decides results written out."""
    return resolve(benchmark_from(GOOD if config is None else config))


def changed(*path_and_value: Any) -> dict[str, Any]:
    """GOOD with one value put at a path; the value `...` removes the key."""
    *path, last, value = path_and_value
    result = copy.deepcopy(GOOD)
    place = result
    for key in path:
        place = place.setdefault(key, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return result
