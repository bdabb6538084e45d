"""Our training step against a textbook one: images/s, their ratio, peak memory.

    python -m benchmarks.training [--rounds 5] [--threads 2] [--precision bfloat16]

The textbook step has the same architecture, but float32, NCHW, the full k x k kernel times a mask,
plain Adam and the C library's default allocator. Ours has the precision that is asked for, else float32,
channels last, kernels cropped to their causal taps, the fused optimizer and a tuned allocator; it also
clips gradients and averages weights, which the textbook step does not. Each measurement is a
process of its own, the two taking turns, so that both see the same machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelcnn.config.run_spec import TrainingSpec, VariantSpec
from pixelcnn.layers.base import CausalLayer
from pixelcnn.layers.convolution import CausalConv2d
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.models.registry import build_model, resolve
from pixelcnn.system import devices, surroundings
from pixelcnn.training.step import TrainingStep

WARM_UP, STEPS, BATCH = 3, 12, 64

#: What is trained: the base variant at the sizes of the default and of a full-size benchmark.
CASES = {
    "28x28 binary, 109 k parameters": (28, 2, {"channels": 32, "blocks": 10, "head_channels": 64}),
    "14x14 default network": (14, 16, {"channels": 24, "blocks": 4, "head_channels": 48}),
}


class FullMaskedConv(CausalLayer):
    """The masked convolution as usually written: a k x k kernel times a mask."""

    def __init__(self, cropped: CausalConv2d) -> None:
        super().__init__()
        height, width = cropped.weight.shape[2:]
        below = width - height
        self.padding, self.dilation = cropped.dilation * (width // 2), cropped.dilation
        self.weight = nn.Parameter(F.pad(cropped.weight.detach(), (0, 0, 0, below)))
        self.mask = nn.Buffer(F.pad(cropped.mask, (0, 0, 0, below)))
        self.bias = nn.Parameter(cropped.bias.detach().clone())

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        weight = self.weight * self.mask
        return F.conv2d(x, weight, self.bias, padding=self.padding, dilation=self.dilation)


def textbook(model: AutoregressiveModel) -> None:
    """Replace every cropped convolution by the full masked one with the same result."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, CausalConv2d):
                setattr(parent, name, FullMaskedConv(child))


def textbook_step(model: AutoregressiveModel, likelihood: Likelihood) -> Callable[[Tensor], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Tensor) -> None:
        # Contiguous NCHW: the door of the model would make it channels last.
        params = model.network(model.enter(x).contiguous(), None)
        optimizer.zero_grad()
        (-likelihood.log_prob(params, x).sum(dim=(1, 2)).mean()).backward()
        optimizer.step()

    return step


def our_step(model: AutoregressiveModel, likelihood: Likelihood, precision: str) -> Callable[[Tensor], None]:
    model.to(memory_format=torch.channels_last)
    step = TrainingStep(model, TrainingSpec(epochs=1), 10_000, precision)
    return lambda x: step(x, None) and None


def measure(case: str, kind: str, threads: int, precision: str) -> dict[str, float]:
    """Median images/s of one process and its peak memory in MiB."""
    torch.set_num_threads(threads)
    size, levels, hyperparameters = CASES[case]
    variant = resolve(VariantSpec("pixelcnn", hyperparameters=hyperparameters))
    model, likelihood = build_model(variant, ImageSpec(1, size, size, levels))
    if kind == "ours":
        devices.tune_allocator()
        step = our_step(model, likelihood, precision)
    else:
        textbook(model)
        step = textbook_step(model, likelihood)
    x = torch.randint(0, levels, (BATCH, 1, size, size))
    times = []
    for _ in range(WARM_UP + STEPS):
        start = time.perf_counter()
        step(x)
        times.append(time.perf_counter() - start)
    return {
        "images_per_second": BATCH / statistics.median(times[WARM_UP:]),
        "peak_mib": devices.peak_memory_bytes(torch.device("cpu")) / 2**20,
    }


def child(case: str, kind: str, threads: int, precision: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.training", "--child", case, kind]
    command += ["--threads", str(threads), "--precision", precision]
    figures: dict[str, float] = json.loads(
        subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--child", nargs=2, metavar=("CASE", "KIND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child[0], options.child[1], options.threads, options.precision)))
        return
    surroundings.make_do()  # as every command does; the processes that measure inherit it
    cpu = torch.device("cpu")
    print(f"{devices.device_name(cpu)}, {options.threads} threads, {options.precision}, "
          f"torch {torch.__version__}, batch {BATCH}, n={options.rounds} processes each")  # fmt: skip
    for case in CASES:
        results: dict[str, list[dict[str, float]]] = {"ours": [], "textbook": []}
        for _ in range(options.rounds):
            for kind, found in results.items():
                found.append(child(case, kind, options.threads, options.precision))
        ratios = [
            a["images_per_second"] / b["images_per_second"] for a, b in zip(*results.values(), strict=True)
        ]
        print(case)
        for kind, found in results.items():
            speed = statistics.median(r["images_per_second"] for r in found)
            memory = statistics.median(r["peak_mib"] for r in found)
            print(f"  {kind:9} {speed:7.0f} images/s   peak memory {memory:5.0f} MiB")
        print(
            f"  ratio     {statistics.median(ratios):7.2f} (median; {min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
