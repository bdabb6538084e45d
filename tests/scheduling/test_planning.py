"""The benchmarks that come with the package can be planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelcnn.scheduling.planning import check_benchmark, load_resolved

ROOT = Path(__file__).resolve().parents[2]


def check_control(sizes):
    """Networks of about 30,000 parameters on every dataset; how they rank there is no question."""
    networks = [size.parameters for size in sizes.values() if not size.baseline and not size.truth]
    assert len(networks) == 30 and 28_000 < min(networks) <= max(networks) < 32_000


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))], ids=lambda p: p.stem
)
def test_the_ready_benchmarks_can_be_planned(path):
    sizes = check_benchmark(benchmark := load_resolved(path))
    if path.stem == "control":
        check_control(sizes)
        return
    counts = {variant: size.parameters for (_, variant), size in sizes.items()}
    chosen = {name: v for name, v in benchmark.variants.items() if v.model != "independent"}
    networks = [counts[name] for name, variant in chosen.items() if not variant.conditional]
    if path.stem != "preview":
        assert max(networks) / min(networks) <= 1.03, f"the networks are not matched: {counts}"
    for name, told in chosen.items():
        alike = [counts[k] for k, v in chosen.items() if v.model == told.model and not v.conditional]
        if told.conditional and path.stem != "preview":
            assert counts[name] / min(alike) <= 1.08, f"with the parameters of the label: {counts}"
