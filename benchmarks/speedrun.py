"""The speed record: seconds of training steps until static binarized MNIST is below 90 nats in validation.

    python -m benchmarks.speedrun benchmarks/speedruns/RECIPE.yaml [--against OLD.yaml] [--seeds 5]

A recipe is a config with one variant on `binarized_mnist` and a budget in images. It is trained once for
each seed, each in a process of its own. It holds if the validation NLL of all 10,000 images, by the
averaged weights at the end of the budget, has a mean over the seeds below 90 nats with p < 0.01 (one-sided
t-test). Its time is the median over the seeds of the seconds of optimizer steps; reading data, validation
and start-up count nowhere. `--against` times another recipe in the same run, the two taking turns. What is
printed at the end are lines for docs/records.md. Nothing looks at the test images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.preparation import data_root, prepare
from pixelcnn.models.registry import build_model
from pixelcnn.results.folder import RunFolder
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system import devices, provenance
from pixelcnn.system.errors import UserError
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training.loop import fit, image_spec

TARGET, SIGNIFICANCE = 90.0, 0.01
SOURCE, IMAGES = "binarized_mnist", 10_000

#: Of one training: nats, seconds of steps, images.
Figures = dict[str, float]


def recipe(path: Path, seed: int) -> tuple[RunSpec, Path]:
    """The run of a recipe with a seed, and where its data lie.

    Raises:
        UserError: if it is no recipe of the speed record.
    """
    benchmark = replace(load_resolved(path), seeds=(seed,))
    if len(benchmark.datasets) != 1 or len(benchmark.variants) != 1:
        raise UserError(f"{path}: a recipe has one dataset and one variant")
    (dataset,), (variant,) = benchmark.datasets, benchmark.variants
    if benchmark.datasets[dataset].source != SOURCE:
        raise UserError(f"{path}: the record is one of {SOURCE}, not of {benchmark.datasets[dataset].source}")
    return benchmark.run(dataset, variant, seed), data_root(benchmark.data_root)


def measure(path: Path, seed: int, threads: int) -> Figures:
    """Train a recipe in this process."""
    torch.set_num_threads(threads)
    devices.tune_allocator()
    spec, root = recipe(path, seed)
    data = prepare(spec.dataset, root)
    assert len(data.splits["valid"].images) == IMAGES
    model, _ = build_model(spec.variant, image_spec(data), seed=derived_seed(seed, "initialisation"))
    with tempfile.TemporaryDirectory(prefix="pixelcnn-speedrun-") as folder:
        fit(model, data, spec, run_dir=Path(folder), device=torch.device("cpu"))
        record = RunFolder(Path(folder)).record()
        last = RunFolder(Path(folder)).history()[-1]
    assert record is not None
    return {"nats": last["valid_nll"], "seconds": last["seconds"], "images": record.images_seen}


def child(path: Path, seed: int, threads: int) -> Figures:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speedrun", str(path), "--threads", str(threads)]
    done = subprocess.run(
        [*command, "--child", str(seed)], check=True, stdout=subprocess.PIPE, encoding="utf-8"
    )
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{path.stem:20} seed {seed}  {found['nats']:.2f} nats  {found['seconds']:.1f} s of steps", flush=True
    )
    return found


def line(path: Path, found: list[Figures], threads: int) -> str:
    """The line of a recipe for docs/records.md, or why it is none."""
    nats = np.array([one["nats"] for one in found])
    p = float(stats.ttest_1samp(nats, TARGET, alternative="less").pvalue) if len(nats) > 1 else 1.0
    seconds = statistics.median(one["seconds"] for one in found)
    commit, _ = provenance.commit_or_why()
    holds = "" if p < SIGNIFICANCE else f"NO RECORD, p is not below {SIGNIFICANCE}: "
    spread = f" ± {nats.std(ddof=1):.2f}" if len(nats) > 1 else ""
    return (
        f"{holds}| {path.stem} | {seconds:.1f} | {found[0]['images']:,.0f} | {nats.mean():.2f}{spread} | "
        f"{p:.1g} | {len(nats)} | {devices.device_name(torch.device('cpu'))}, {threads} threads | "
        f"{(commit or 'unknown')[:7]} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--against", type=Path, help="another recipe, timed in the same run")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(measure(options.recipe, options.child, options.threads)))
        return
    paths = [options.recipe] if options.against is None else [options.against, options.recipe]
    try:
        for path in paths:
            recipe(path, 0)
    except UserError as error:
        parser.error(str(error))
    found: dict[Path, list[Figures]] = {path: [] for path in paths}
    for seed in range(options.seeds):
        for path in paths:
            found[path].append(child(path, seed, options.threads))
    for path in paths:
        print(line(path, found[path], options.threads))
    if options.against is not None:
        ratios = [b["seconds"] / a["seconds"] for a, b in zip(*found.values(), strict=True)]
        ratio = statistics.median(ratios)
        print(f"{options.recipe.stem} takes {ratio:.2f} of the time of {options.against.stem}")


if __name__ == "__main__":
    main()
