"""The fast sampler against one forward pass of the same batch, and against the reference sampler.

    python -m benchmarks.sampling MODEL [MODEL ...] [--batches 1 16 64 256] [--rounds 5] [--processes 3]
        [--threads 2] [--device cpu]

MODEL is a trained model as `pixelcnn sample` takes it, such as docs/results/models/*/*.safetensors; trained,
since how often a row is drawn again depends on what is drawn.
A round draws a batch and then passes the images forward twice; medians over the rounds of a process, then
over processes (with their range). "First batch" is the one that the sampler prepares its work for, which
later batches of the same size use again. The reference sampler makes a pass for every pixel: timed over one
row and extrapolated to all. Peak memory is what one batch adds in a process of its own, and what one
forward pass of it adds that training could go back through.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import pixelcnn
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.sampling.fast import FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.sampling.request import Request
from pixelcnn.system import devices, surroundings
from pixelcnn.system.seeding import pixel_noise

HEADER = (
    "model", "batch", "images/s", "in forward passes", "first batch", "speed-up (extrapolated)",
    "memory, MiB", "of a training forward, MiB",
)  # fmt: skip


def trained(path: str, device: torch.device) -> tuple[AutoregressiveModel, Likelihood]:
    found = pixelcnn.load(path, str(device))
    return found.network.to(memory_format=torch.channels_last), found.likelihood


def request_for(
    model: AutoregressiveModel, images: int, device: torch.device, given_rows: int = 0
) -> Request:
    classes = model.image.classes
    return Request(
        noise=pixel_noise(0, 0, images, model.image_shape).to(device),
        labels=None if classes is None else (torch.arange(images) % classes).to(device),
        given=torch.zeros(images, 1, given_rows, model.image.width, dtype=torch.long, device=device),
    )


def seconds(work: Callable[[], object], device: torch.device) -> float:
    devices.synchronize(device)
    start = time.perf_counter()
    work()
    devices.synchronize(device)
    return time.perf_counter() - start


def measure_time(path: str, images: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds of a batch, of a forward pass and of the reference sampler (extrapolated)."""
    model, likelihood = trained(path, device)
    request = request_for(model, images, device)
    sampler = FastSampler(model, likelihood)
    drawn = sampler.draw(request).images
    first = seconds(lambda: FastSampler(model, likelihood).draw(request), device)
    sampling, forward = [], []
    with torch.inference_mode():
        for _ in range(rounds):
            sampling.append(seconds(lambda: sampler.draw(request), device))
            forward += [seconds(lambda: model(drawn, request.labels), device) for _ in range(2)]
    height = model.image.height
    last_row = request_for(model, images, device, given_rows=height - 1)
    row = seconds(lambda: ReferenceSampler(model, likelihood).draw(last_row), device)
    return {
        "sampling": statistics.median(sampling),
        "forward": statistics.median(forward),
        "first": first,
        "reference": row * height,
    }


def measure_memory(path: str, images: int, what: str, device: torch.device) -> dict[str, float]:
    """MiB that drawing a batch ("sampling") or a forward pass with gradients ("training") adds."""
    model, likelihood = trained(path, device)
    request = request_for(model, images, device)
    before = _forget_peak(device)
    if what == "sampling":
        FastSampler(model, likelihood).draw(request)
    else:
        x = torch.zeros(images, *model.image_shape, dtype=torch.long, device=device)
        likelihood.log_prob(model(x, request.labels), x).sum()
    return {"memory": (_peak(device) - before) / 2**20}


def _forget_peak(device: torch.device) -> int:
    """Bytes in use now; the peak is counted from here on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # Linux: see proc_pid_clear_refs(5)
    return _status("VmRSS")


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated() if device.type == "cuda" else _status("VmHWM")


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def child(what: str, path: str, images: int, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.sampling", path, "--child", what, str(images)]
    command += ["--rounds", str(options.rounds), "--threads", str(options.threads)]
    command += ["--device", options.device]
    figures: dict[str, float] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    )
    return figures


def run_child(options: argparse.Namespace) -> dict[str, float]:
    path, what, images = options.models[0], options.child[0], int(options.child[1])
    device = torch.device(options.device)
    devices.tune_allocator()
    devices.exact_float32()
    if what == "time":
        return measure_time(path, images, options.rounds, device)
    return measure_memory(path, images, what, device)


def row(path: str, name: str, images: int, times: list[dict[str, float]], options: argparse.Namespace) -> str:
    """A line of the table, from what several processes have measured."""

    def median(key: str, per: str) -> float:
        return statistics.median(found[key] / found[per] for found in times)

    ratios = [found["sampling"] / found["forward"] for found in times]
    memory = {what: child(what, path, images, options)["memory"] for what in ("sampling", "training")}
    cells = [
        name,
        str(images),
        f"{images / statistics.median(found['sampling'] for found in times):.0f}",
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        f"{median('first', 'forward'):.1f}",
        f"{median('reference', 'sampling'):.0f}",
        f"{memory['sampling']:.0f}",
        f"{memory['training']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--child", nargs=2, metavar=("WHAT", "IMAGES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        print(json.dumps(run_child(options)))
        return
    surroundings.make_do()  # as every command does; the processes that measure inherit it
    specs = {path: pixelcnn.load(path, "cpu").checkpoint.spec for path in options.models}
    names = {path: f"{spec.benchmark}/{spec.variant_name}" for path, spec in specs.items()}
    print(f"{devices.device_name(torch.device(options.device))}, {options.threads} threads, float32, "
          f"torch {torch.__version__}, {options.processes} processes of {options.rounds} rounds")  # fmt: skip
    print(f"| {' | '.join(HEADER)} |")
    print("|---|" + "--:|" * (len(HEADER) - 1))
    cells = [(path, images) for path in options.models for images in options.batches]
    # The machine may be slower for a minute: the processes of a cell run minutes apart.
    found = [[child("time", *cell, options) for cell in cells] for _ in range(options.processes)]
    for number, (path, images) in enumerate(cells):
        print(row(path, names[path], images, [times[number] for times in found], options), flush=True)


if __name__ == "__main__":
    main()
