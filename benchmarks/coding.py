"""What images cost in bits beside their NLL, and how long coding takes beside sampling, of trained runs.

    snakemake --cores 2 report
    python -m benchmarks.coding results/mnist5k-14x14/mnist5k-14x14/*/seed0 --images 200

Each run compresses the same test images, the first ones of a random order, and decompresses them; times are
medians of some rounds in one process of one thread, as multiples of drawing as many images.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pixelcnn.coding import layout
from pixelcnn.coding.files import Codec
from pixelcnn.data.contract import Split
from pixelcnn.data.prepared import load_prepared
from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import DatasetFolder, RunFolder
from pixelcnn.sampling.api import sample


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    """Of some rounds, after one that prepares."""
    work()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def line_of(run: RunFolder, images: int, rounds: int) -> str:
    """A row of the table."""
    codec = Codec.of(checkpoint.load(run.checkpoint))
    test = load_prepared(DatasetFolder(run.path.parent.parent).data).splits["test"]
    chosen = np.random.default_rng(0).permutation(len(test.images))[:images]
    classes = codec.model.image.classes
    labels = test.labels[chosen] if classes is not None and test.labels is not None else None
    split = Split(np.ascontiguousarray(test.images[chosen]), labels)
    content = codec.compress(split.images, labels)
    back, _ = codec.decompress(content)
    assert np.array_equal(back, split.images), f"{run.path}: images came out otherwise"
    nll = evaluate(codec.model, codec.likelihood, split).per_image.sum() / np.log(2)
    paid = 8 * (len(content) - layout.label_bytes(len(chosen), classes))
    y = None if labels is None else torch.from_numpy(labels)
    drawing = median_seconds(lambda: sample(codec.model, codec.likelihood, len(chosen), seed=0, y=y), rounds)
    encoding = median_seconds(lambda: codec.compress(split.images, labels), rounds)
    decoding = median_seconds(lambda: codec.decompress(content), rounds)
    over = paid - nll
    return (
        f"{run.path.parent.name:<14} {nll:>10,.0f} {paid:>10,} {over:>8,.0f} {over / nll:>8.2%} "
        f"{(over - 8 * layout.HEADER) / nll:>10.3%} {encoding / drawing:>9.2f} {decoding / drawing:>9.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="results/BENCHMARK/DATASET/VARIANT/seedN")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "variant          NLL, bits       paid overhead           no header  compress  decompress, x sampling"
    )
    for run in options.runs:
        print(line_of(RunFolder(run), options.images, options.rounds), flush=True)


if __name__ == "__main__":
    main()
