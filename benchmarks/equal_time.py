"""How many images each variant of a config trains on in the same time: budgets at equal time.

    python -m benchmarks.equal_time configs/binarized_mnist_small.yaml --seconds 1400 [--processes 2]

Steps of every variant are timed in turns, at its batch size, precision and threads, by as many processes at
once as trainings will run side by side. Prints a JSON object: the machine, and of each variant the median
milliseconds of a step and the images of so many seconds, rounded to two digits.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from pathlib import Path

import torch

from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system import devices
from pixelcnn.system.provenance import commit_or_why
from pixelcnn.training.timing import seconds_of, timed_step

#: Steps of a variant in each round, after one that warms up in the first.
STEPS = 3


def step_seconds(config: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of a step of each variant, one a round."""
    benchmark = load_resolved(config)
    device = torch.device("cpu")
    devices.tune_allocator()
    devices.exact_float32()
    torch.set_num_threads(benchmark.threads)
    runs = {run.variant_name: run for run in benchmark.runs()}
    steps = {}
    for name, run in runs.items():
        asked = run.training.precision
        steps[name] = timed_step(run, "float32" if asked == "auto" else asked, device)
        steps[name]()
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            found[name].append(seconds_of(step, device, STEPS))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--seconds", type=float, required=True, help="Of steps, of each training.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--processes", type=int, default=2, help="Side by side.")
    options = parser.parse_args()
    # A fresh process each: threads of torch do not survive a fork.
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        found = pool.starmap(step_seconds, [(options.config, options.rounds)] * options.processes)
    batches = {run.variant_name: run.training.batch_size for run in load_resolved(options.config).runs()}
    commit, why = commit_or_why()
    told = {
        "machine": devices.device_name(torch.device("cpu")),
        "torch": str(torch.__version__),
        "commit": commit or why,
        "processes": options.processes,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "variants": {},
    }
    for name, batch in batches.items():
        seconds = statistics.median(value for one in found for value in one[name])
        images = batch * options.seconds / seconds
        told["variants"][name] = {"step_ms": round(1000 * seconds, 2), "images": int(float(f"{images:.2g}"))}
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
