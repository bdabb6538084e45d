"""The benchmarks that come with the package can be planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelcnn.scheduling.planning import check_benchmark, load_resolved

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))], ids=lambda p: p.stem
)
def test_the_ready_benchmarks_can_be_planned(path):
    sizes = check_benchmark(benchmark := load_resolved(path))
    counts = {variant: size.parameters for (_, variant), size in sizes.items()}
    networks, told = ([], [])
    for name, variant in benchmark.variants.items():
        if variant.model != "independent":
            (told if variant.conditional else networks).append(counts[name])
    if path.stem != "preview":
        assert max(networks) / min(networks) <= 1.03, f"the networks are not matched: {counts}"
        assert max(told, default=0) / min(networks) <= 1.08, f"with the parameters of the label: {counts}"
