"""The fast sampler against one forward pass of the same batch, and against the reference sampler.

    python -m benchmarks.sampling [--rounds 5] [--threads 2] [--batches 1 16 64 256]

Trains the networks of benchmarks/sampling.yaml first, if their checkpoints are not there (some minutes).
A round samples a batch and then passes the images forward three times; medians over all rounds. The
reference sampler makes one such pass a pixel: its time is extrapolated from that of one pass.
Peak memory is that of a process of its own that draws one batch, above what it had before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

import torch

from pixelcnn import checkpoint, machine
from pixelcnn.cli import main as pixelcnn
from pixelcnn.config import load_benchmark
from pixelcnn.generators import pixel_noise
from pixelcnn.records import CHECKPOINT
from pixelcnn.sampling import FastSampler, Request

CONFIG = "benchmarks/sampling.yaml"


def trained(variant: str) -> checkpoint.Checkpoint:
    benchmark = load_benchmark(CONFIG)
    folder = benchmark.run_directory(benchmark.run(next(iter(benchmark.datasets)), variant, 0))
    return checkpoint.load(folder / CHECKPOINT)


def measure(variant: str, images: int, rounds: int) -> dict[str, float]:
    """Median seconds of sampling and of a forward pass, and the memory that sampling adds, in MiB."""
    machine.tune_allocator()
    model, likelihood = trained(variant).model()
    model.to(memory_format=torch.channels_last)
    classes = model.image.classes
    request = Request(
        noise=pixel_noise(0, 0, images, model.image_shape),
        labels=None if classes is None else torch.arange(images) % classes,
        given=torch.zeros(images, 1, 0, model.image.width, dtype=torch.long),
    )
    cpu = torch.device("cpu")
    before = machine.peak_memory_bytes(cpu)
    drawn = FastSampler(model, likelihood).draw(request)
    memory = (machine.peak_memory_bytes(cpu) - before) / 2**20
    sampling, forward = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        drawn = FastSampler(model, likelihood).draw(request)
        sampling.append(time.perf_counter() - start)
        with torch.inference_mode():
            for _ in range(3):
                start = time.perf_counter()
                model(drawn.images, request.labels)
                forward.append(time.perf_counter() - start)
    return {
        "sampling": statistics.median(sampling),
        "forward": statistics.median(forward),
        "memory": memory,
        "pixels": model.image.height * model.image.width,
    }


def child(variant: str, images: int, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.sampling", "--child", variant, str(images)]
    command += ["--rounds", str(options.rounds), "--threads", str(options.threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--child", nargs=2, metavar=("VARIANT", "IMAGES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        print(json.dumps(measure(options.child[0], int(options.child[1]), options.rounds)))
        return
    variants = list(load_benchmark(CONFIG).variants)
    pixelcnn(["plan", CONFIG])
    pixelcnn(["prepare", CONFIG])
    for variant in variants:
        if status := pixelcnn(["train", CONFIG, "--variant", variant, "--seed", "0"]):
            sys.exit(status)
    cpu = torch.device("cpu")
    print(f"{machine.device_name(cpu)}, {options.threads} threads, float32, torch {torch.__version__}, "
          f"n={options.rounds}")  # fmt: skip
    print("| architecture | batch | images/s | in forward passes | speed-up (extrapolated) | memory, MiB |")
    print("|---|--:|--:|--:|--:|--:|")
    for variant in variants:
        for images in options.batches:
            found = child(variant, images, options)
            seconds, forward = found["sampling"], found["forward"]
            print(
                f"| {variant} | {images} | {images / seconds:.0f} | {seconds / forward:.2f} "
                f"| {forward * found['pixels'] / seconds:.0f} | {found['memory']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
