"""Benchmark folders made up in a moment: what training, evaluation and sampling would have left."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.reading import benchmark_from
from pixelcnn.config.run_spec import DatasetSpec, RunSpec, dataset_digest
from pixelcnn.results.audit import Audit
from pixelcnn.results.folder import folder_of
from pixelcnn.results.records import Analysis, Cost, Metrics, Record
from pixelcnn.system.files import write_json

#: Six variants like those of a real benchmark: name -> (entry of the config, plausible NLL in nats).
VARIANTS: dict[str, tuple[dict[str, Any], float]] = {
    "independent": ({"model": "independent"}, 52.4),
    "pixelcnn": ({"model": "pixelcnn", "hyperparameters": {"channels": 32, "blocks": 6}}, 24.6),
    "gated": ({"model": "gated_pixelcnn", "hyperparameters": {"channels": 32, "blocks": 6}}, 23.7),
    "gated-conditional": (
        {"model": "gated_pixelcnn", "conditional": True, "hyperparameters": {"channels": 32, "blocks": 6}},
        23.5,
    ),
    "pixelcnn++": ({"model": "pixelcnn_pp", "training": {"learning_rate": 1e-3}}, 23.2),
    "pixelsnail": ({"model": "pixelsnail", "hyperparameters": {"channels": 24, "heads": 4}}, 22.9),
}

#: A 3 x 5 font, enough for images that look like digits.
_ROWS = {
    0: "75557", 1: "26227", 2: "71747", 3: "71717", 4: "55711",
    5: "74717", 6: "74757", 7: "71111", 8: "75757", 9: "75717",
}  # fmt: skip


def digits(n: int, size: int = 14, levels: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 1, size, size] with values 0..levels-1 of shifted digits, and labels [n]."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n)
    images = np.zeros((n, 1, size, size), np.uint8)
    for image, label in zip(images, labels, strict=True):
        glyph = np.array([[int(row) >> bit & 1 for bit in (2, 1, 0)] for row in _ROWS[int(label)]])
        glyph = glyph.repeat(2, 0).repeat(2, 1)
        y, x = rng.integers(1, size - 10), rng.integers(1, size - 6)
        image[0, y : y + 10, x : x + 6] = glyph * rng.integers(levels // 2, levels)
    return images, labels.astype(np.int64)


def benchmark(root: Path, **overrides: Any) -> Benchmark:
    """A config as results/NAME/config.json holds it, below `root`, and prepared data beside it.

    `overrides` replace entries of the config. The benchmark's folder is `folder_of(benchmark)`.
    """
    config: dict[str, Any] = {
        "benchmark": "toy",
        "title": "A toy benchmark",
        "datasets": {"digits": {"source": "digits", "image_size": 14, "levels": 2, "binarize": "threshold"}},
        "variants": {name.replace("+", "p"): entry for name, (entry, _) in VARIANTS.items()},
        "seeds": [0, 1, 2],
        "training": {"epochs": 12},
        "results": str(root),
        **overrides,
    }
    # Nobody has architectures or datasets of these names, so nobody can resolve them.
    made = replace(benchmark_from(config), resolved=True)
    write_json(folder_of(made).config, made.to_json())
    baselines = {name: {"baseline": spec.model == "independent"} for name, spec in made.variants.items()}
    write_json(folder_of(made).plan, dict.fromkeys(made.datasets, baselines))
    for name, spec in made.datasets.items():
        path = folder_of(made).dataset(name).data
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {"description": np.array(json.dumps({"sha256": data_sha256(spec)}))}
        for split, n in (("train", 200), ("valid", 40), ("test", 60)):
            arrays[f"{split}_images"], arrays[f"{split}_labels"] = digits(n, levels=spec.levels, seed=n)
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return made


def data_sha256(spec: DatasetSpec) -> str:
    """64 hex digits that stand for the content of a dataset."""
    return dataset_digest(spec) * 4


def plausible_nll(spec: RunSpec) -> float:
    """A test NLL in nats per image: that of the variant in `VARIANTS`, moved a little by the seed."""
    known = {name.replace("+", "p"): nll for name, (_, nll) in VARIANTS.items()}
    base = known.get(spec.variant_name, 23 + sum(map(ord, spec.variant_name)) % 20 / 10)
    return base + float(np.random.default_rng([spec.seed, len(spec.variant_name)]).normal(0, 0.12))


def history(spec: RunSpec, nll: float, epochs: int, parameters: int) -> list[dict[str, Any]]:
    """Lines of a history that comes down to `nll`."""
    rng = np.random.default_rng(spec.seed + 1)
    lines = []
    for epoch in range(1, epochs + 1):
        excess = 60 * math.exp(-epoch / 1.2) + 3.0 / epoch
        lines.append(
            {
                "epoch": epoch,
                "images": 200 * epoch,
                "step": 60 * epoch,
                "train_nll": nll + excess - 0.3 + float(rng.normal(0, 0.1)),
                "valid_nll": nll + excess + 0.2 + float(rng.normal(0, 0.08)),
                "learning_rate": 3e-3,
                "gradient_norm": 1.0,
                "seconds": epoch * parameters / 4e3,
                "images_per_second": 1e8 / parameters,
            }
        )
    return lines


def metrics(spec: RunSpec, nll: float, **overrides: Any) -> Metrics:
    """Test results with this NLL (given the label, for a conditional variant), consistent in all units."""
    dims = 196
    values: dict[str, Any] = {
        "digest": spec.digest,
        "data_sha256": data_sha256(spec.dataset),
        "split": "test",
        "images": 60,
        "dims": dims,
        "levels": spec.dataset.levels,
        "nll": nll,
        "bits_per_dim": nll / dims / math.log(2),
        "perplexity": math.exp(nll / dims),
        "seconds": 0.5,
    }
    if spec.variant.conditional:
        marginal = nll + 0.4
        values |= {
            "marginal_nll": marginal,
            "marginal_bits_per_dim": marginal / dims / math.log(2),
            "marginal_perplexity": math.exp(marginal / dims),
            "accuracy": 0.957 + 0.002 * spec.seed,
        }
    return Metrics(**{**values, **overrides})


def record(spec: RunSpec, epochs: int, **overrides: Any) -> Record:
    """The record of a training that finished."""
    parameters = 196 if spec.variant.model == "independent" else 20_000 + 9_000 * len(spec.variant_name)
    values: dict[str, Any] = {
        "run_id": f"run-{spec.digest}",
        "digest": spec.digest,
        "started": "2026-01-05T10:00:00+00:00",
        "ended": "2026-01-05T10:20:00+00:00",
        "host": "host",
        "pid": 1,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "versions": {"python": "3.12.1", "torch": "2.11.0"},
        "device": "cpu",
        "threads": 1,
        "precision": "float32",
        "parameters": parameters,
        "status": "finished",
        "epochs": epochs,
        "best_epoch": epochs,
        "best_valid_nll": 24.0,
        "images_seen": 200 * epochs,
        "training_seconds": parameters / 400 + 3.0 * spec.seed,
        "wall_seconds": parameters / 300 + 3.0 * spec.seed,
        "images_per_second": 1e8 / parameters,
        "peak_memory_bytes": 300 * 2**20 + 400 * parameters,
    }
    return Record(**{**values, **overrides})


def write_run(
    made: Benchmark,
    spec: RunSpec,
    *,
    nll: float | None = None,
    status: str = "finished",
    evaluated: bool = True,
    sampled: bool = True,
    by_channel: Sequence[float] = (),
    record_values: dict[str, Any] | None = None,
    metrics_values: dict[str, Any] | None = None,
) -> Path:
    """The folder of one run; an unfinished one stops at half its epochs and has no results.

    `by_channel` are the shares of its NLL that go to the channels of its images, if these were several.
    """
    folder = folder_of(made).run_of(spec)
    folder.path.mkdir(parents=True, exist_ok=True)
    complete = status == "finished"
    assert spec.training.epochs is not None  # all made-up trainings are in epochs
    epochs = spec.training.epochs if complete else spec.training.epochs // 2
    went = record(spec, epochs, status=status, **(record_values or {}))
    if not complete:
        went = replace(went, ended=None)
    nll = plausible_nll(spec) if nll is None else nll
    write_json(folder.spec_file, spec.to_json())
    went.write(folder.record_file)
    lines = history(spec, nll, epochs, went.parameters)
    folder.history_file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    if complete:
        folder.checkpoint.write_bytes(b"weights")
    if complete and evaluated:
        metrics(spec, nll, **(metrics_values or {})).write(folder.metrics_file)
        write_nats(made, spec, nll, by_channel)
        write_analysis(made, spec, nll)
    if complete and sampled:
        images, labels = digits(made.sampling.images, levels=spec.dataset.levels, seed=spec.seed + 7)
        shown = labels if spec.variant.conditional else np.full_like(labels, -1)
        np.savez_compressed(folder.samples, images=images, labels=shown)
    return folder.path


def write_nats(made: Benchmark, spec: RunSpec, nll: float, by_channel: Sequence[float] = ()) -> None:
    """Test NLL by image, pixel and channel, which add up to `nll`; harder images are so for every variant."""
    hardness = np.random.default_rng(5).gamma(30, 1 / 30, 60)
    noise = np.random.default_rng([spec.seed, len(spec.variant_name)]).normal(0, 0.02, 60)
    per_image = hardness / hardness.mean() + noise - noise.mean()
    rows, columns = np.mgrid[:14, :14] / 13 - 0.5
    per_pixel = np.exp(-6 * (rows**2 + columns**2))
    arrays = {"per_image": nll * per_image, "per_pixel": nll * per_pixel / per_pixel.sum()}
    if by_channel:
        arrays["per_channel"] = nll * np.array(by_channel)
    if spec.variant.conditional:
        arrays["marginal_per_image"] = (nll + 0.4) * per_image
        arrays["by_class"] = nll * per_image[:, None] + np.arange(10)
    np.savez_compressed(folder_of(made).run_of(spec).nats, **arrays)


def write_analysis(made: Benchmark, spec: RunSpec, nll: float) -> None:
    """A receptive field that grows with the variant's name, neighbours, and an agreement with labels."""
    rows, columns = np.mgrid[:14, :14] - 7
    earlier = (rows < 0) | ((rows == 0) & (columns < 0))
    extent = 0 if spec.variant.model == "independent" else min(7, 2 + len(spec.variant_name) // 3)
    reach = earlier & (abs(rows) <= extent) & (abs(columns) <= extent)
    effective = reach * np.exp(-np.hypot(rows, columns) / (1 + extent / 3))
    effective = effective / (effective.sum() or 1)
    count = made.sampling.images
    random = np.random.default_rng(spec.seed)
    arrays = {
        "reach": reach,
        "effective": effective,
        "sample_nearest": random.integers(0, 200, count),
        "sample_distance": random.uniform(0.1, 0.3, count),
        "test_distance": random.uniform(0.1, 0.3, count),
    }
    judged: dict[str, Any] = {}
    if spec.variant.conditional:
        arrays["confusion"] = np.full((10, 10), 1) + 20 * np.eye(10, dtype=np.int64)
        shares = np.diag(arrays["confusion"]) / arrays["confusion"].sum(axis=1)
        judged = {
            "agreement": float(shares.mean()) - 0.01 * spec.seed,
            "agreement_by_class": shares.tolist(),
            "agreement_images": 300,
        }
    folder = folder_of(made).run_of(spec)
    np.savez_compressed(folder.analysis_arrays, **arrays)
    Analysis(
        digest=spec.digest,
        data_sha256=data_sha256(spec.dataset),
        train_nll=nll - 0.6 - 0.02 * spec.seed,
        valid_nll=nll + 0.1,
        earlier_pixels=int(earlier.sum()),
        reach_pixels=int(reach.sum()),
        effective_pixels=int(reach.sum() * 0.7),
        effective_radius=extent * 0.6,
        sample_distance=0.2,
        test_distance=0.21,
        classifier_accuracy=0.98,
        **judged,
    ).write(folder.analysis_file)


def write_cost(made: Benchmark, dataset: str, variant: str) -> None:
    """What a variant costs, in proportion to the length of its name."""
    spec = made.run(dataset, variant, made.seeds[0])
    unit = 0.001 * len(variant)
    rounds = [unit * factor for factor in (1.0, 1.02, 0.99, 1.05, 1.01)]
    Cost(
        digest=spec.digest,
        device="cpu",
        threads=1,
        precision="float32",
        batch_size=spec.training.batch_size,
        parameters=20_000 + 9_000 * len(variant),
        multiply_adds=3_000_000 * len(variant),
        step_seconds=rounds,
        evaluation_seconds=[0.3 * value for value in rounds],
        sampling_seconds=[4 * value for value in rounds],
        sampling_images=64,
        peak_memory_bytes=400 * 2**20,
    ).write(folder_of(made).cost(dataset, variant))


def write_audit(made: Benchmark, dataset: str, variant: str) -> None:
    """What the first run of a variant paid: its NLL, a header and a little more."""
    spec = made.run(dataset, variant, made.seeds[0])
    nats, conditional = 60 * plausible_nll(spec), spec.variant.conditional
    labels = 30 if conditional else 0
    Audit(
        digest=spec.digest,
        run_id=f"run-{spec.digest}",
        data_sha256=data_sha256(spec.dataset),
        seed=spec.seed,
        images=60,
        dims=196,
        nll_nats=nats,
        file_bytes=math.ceil(nats / math.log(2) / 8) + 41 + labels,
        header_bytes=37,
        label_bytes=labels,
        compress_seconds=0.2,
        decompress_seconds=0.15,
        sampling_seconds=0.1,
        png_bytes=3000,
        webp_bytes=2500,
        threads=1,
        software="torch 2.11.0",
        processor="cpu",
    ).write(folder_of(made).audit(dataset, variant))


def write_all(made: Benchmark) -> list[Path]:
    """The folders of all runs of a benchmark, finished, evaluated, sampled, analysed and measured."""
    for dataset in made.datasets:
        for variant in made.variants:
            write_cost(made, dataset, variant)
            write_audit(made, dataset, variant)
    return [write_run(made, spec) for spec in made.runs()]
