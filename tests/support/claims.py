"""Made-up runs whose differences are known, for claims and the first sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import collect
from pixelcnn.report.compare import VariantResult, rank
from pixelcnn.report.differences import Differences
from pixelcnn.report.findings import Finding, find
from pixelcnn.report.headline import summary_sentences
from pixelcnn.report.looks import Look
from pixelcnn.report.pairs import compare_pairs
from pixelcnn.results.folder import folder_of

SIZE = {"channels": 24, "blocks": 4}
VARIANTS: dict[str, Any] = {
    "pixelcnn": {"model": "pixelcnn", "hyperparameters": SIZE},
    "conditional": {"model": "pixelcnn", "conditional": True, "hyperparameters": SIZE},
    "dilated": {"model": "pixelcnn", "hyperparameters": {**SIZE, "dilations": [1, 2, 4]}},
    "attention": {"model": "attention"},
}

#: Test NLL in nats by seed; a conditional run's label-marginalised one is 0.4 above.
CLEAR = {
    "pixelcnn": (24.00, 24.05, 23.95),
    "conditional": (25.60, 25.66, 25.55),
    "dilated": (23.00, 23.06, 22.95),
    "attention": (22.00, 22.05, 21.96),
}
NOISE = {
    "pixelcnn": (24.0, 24.3, 23.8),
    "conditional": (23.9, 23.5, 23.4),
    "dilated": (23.9, 24.1, 24.2),
    "attention": (24.1, 23.9, 24.0),
}


def made_of(root: Path, nll: dict[str, tuple[float, ...]], seeds: int = 3, costs: bool = True) -> Benchmark:
    variants = {name: VARIANTS[name] for name in nll}
    made = made_up.benchmark(root, variants=variants, seeds=list(range(seeds)))
    for name, values in nll.items():
        for seed in range(seeds):
            made_up.write_run(made, made.run("digits", name, seed), nll=values[seed])
        if costs:
            made_up.write_cost(made, "digits", name)
    return made


def ranked(made: Benchmark) -> list[VariantResult]:
    return rank(collect(folder_of(made).path).datasets[0])


def differences(made: Benchmark, margin: float = 0.005, look: int = 1) -> Differences:
    return Differences(ranked(made), margin=margin, look=Look(look, (3,) * (look - 1)))


def by_claim(made: Benchmark) -> dict[str, Finding]:
    findings = find(differences(made))
    assert len({f.claim for f in findings}) == len(findings)
    return {f.claim: f for f in findings}


def sentences(made: Benchmark, look: int = 1) -> list[str]:
    found = differences(made, look=look)
    return summary_sentences(made, found.results, compare_pairs(found), find(found))


def change_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")
