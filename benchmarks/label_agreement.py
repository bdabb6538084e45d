"""How often an independent classifier sees in a conditional sample the digit that was asked for.

    python -m benchmarks.label_agreement results/BENCHMARK [--samples 500]

Trains a small convolutional classifier on the benchmark's real training digits, reports its
accuracy on the real test digits, then draws samples from every finished conditional run and prints
the share on which the classifier's answer is the wanted label.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn import checkpoint, machine
from pixelcnn.config import Benchmark, load_benchmark
from pixelcnn.data.preparation import PreparedData, load_prepared
from pixelcnn.data.source import Split
from pixelcnn.records import CHECKPOINT
from pixelcnn.sampling import sample

EPOCHS = 12
BATCH = 64


def classifier(data: PreparedData) -> nn.Module:
    """A small convolutional network trained on the training split."""
    assert data.classes is not None
    torch.manual_seed(0)
    _, height, width = data.shape
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(64 * (height // 2) * (width // 2), 128), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(128, data.classes),
    )  # fmt: skip
    train = data.splits["train"]
    assert train.labels is not None
    images, labels = scaled(torch.from_numpy(train.images), data.levels), torch.from_numpy(train.labels)
    steps = EPOCHS * -(-len(images) // BATCH)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for index in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(images[index]), labels[index]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def scaled(images: Tensor, levels: int) -> Tensor:
    """Integers 0..levels-1 -> reals 0..1."""
    return images.float() / (levels - 1)


@torch.no_grad()
def agreement(model: nn.Module, images: Tensor, labels: Tensor, levels: int) -> float:
    """Share of images on which the classifier's answer is the label."""
    return float((model(scaled(images, levels)).argmax(dim=1) == labels).float().mean())


def accuracy(model: nn.Module, split: Split, levels: int) -> float:
    """Share of real images classified right."""
    assert split.labels is not None
    return agreement(model, torch.from_numpy(split.images), torch.from_numpy(split.labels), levels)


def run_agreements(benchmark: Benchmark, dataset: str, n: int, model: nn.Module, levels: int) -> list[float]:
    """One agreement for each finished conditional run of a dataset, printed as they come."""
    shares = []
    for spec in benchmark.runs():
        path = benchmark.run_directory(spec) / CHECKPOINT
        if spec.dataset_name != dataset or not spec.variant.conditional or not path.exists():
            continue
        network, likelihood = checkpoint.load(path).model()
        assert network.image.classes is not None
        labels = torch.arange(n) % network.image.classes
        images = sample(network, likelihood, n, seed=spec.seed, y=labels)
        shares.append(agreement(model, images, labels, levels))
        print(f"{spec.name}: {shares[-1]:.1%} of {n} samples", flush=True)
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("directory", type=Path, help="results/BENCHMARK")
    parser.add_argument("--samples", type=int, default=500, help="for each run")
    options = parser.parse_args()
    machine.tune_allocator()
    benchmark = load_benchmark(options.directory / "config.json")
    for dataset in benchmark.datasets:
        data = load_prepared(benchmark.data_file(dataset))
        if data.classes is None:
            continue
        model = classifier(data)
        right = accuracy(model, data.splits["test"], data.levels)
        print(f"{dataset}: the classifier is right on {right:.1%} of the real test digits", flush=True)
        shares = run_agreements(benchmark, dataset, options.samples, model, data.levels)
        if shares:
            print(f"{dataset}: median agreement {statistics.median(shares):.1%} (n={len(shares)} runs)")


if __name__ == "__main__":
    main()
