"""What `training.precision: auto` is: bfloat16 where it is clearly faster, measured once a benchmark.

What the hardware says of bfloat16 does not tell whether these networks are faster in it: small ones often
are not. So a few steps of every network that asks for it are timed in both. What other work on the machine
adds to a time is never negative, so the least of several counts; and where the two are close, noise would
choose, and the same config would give other numbers in another folder: it is float32 then.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.records import Precision, StepTimes
from pixelcnn.system import devices
from pixelcnn.system.errors import UserError
from pixelcnn.training.timing import TimedStep, seconds_of, timed_step

#: Seconds of steps in both precisions, of one network and of all together; one of each is timed in any case.
SECONDS, SECONDS_IN_ALL = 1.0, 8.0
#: What bfloat16 may take at most of the time of float32.
WORTH_IT = 0.9
Chosen = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Chosen, ...] = ("float32", "bfloat16")

#: How a step is timed: its seconds.
Timer = Callable[[TimedStep, torch.device], float]


def automatic(benchmark: Benchmark) -> list[RunSpec]:
    """The runs of a resolved benchmark whose networks are timed: a seed of each variant with `auto`.

    Variants whose steps cost the same, such as the trials of a tuning, are timed once.
    """
    seed = benchmark.seeds[0]
    found: dict[str, RunSpec] = {}
    for run in benchmark.runs():
        if run.seed == seed and run.training.precision == "auto":
            found.setdefault(_what_costs(run), run)
    return list(found.values())


def _what_costs(run: RunSpec) -> str:
    network = dataclasses.replace(run.variant, training={})
    return repr((run.dataset, network, run.training.batch_size, run.training.optimizer))


def measure(benchmark: Benchmark, device: torch.device, timer: Timer = seconds_of) -> Precision:
    """Time the networks of a resolved benchmark with the threads of its config; takes about ten seconds.

    Where the hardware has no fast bfloat16 nothing is timed.

    Raises:
        UserError: if no variant asks for it.
    """
    runs = automatic(benchmark)
    if not runs:
        raise UserError("training.precision: auto for no variant, so there is nothing to measure")
    if not devices.has_fast_bfloat16(device):
        return _found(benchmark, device, "float32", "no bfloat16 in hardware, as far as it says")
    devices.exact_float32()
    seconds = min(SECONDS, SECONDS_IN_ALL / len(runs))
    gpus = [device] if device.type == "cuda" else []
    with _threads(benchmark.threads), torch.random.fork_rng(devices=gpus):
        times = [_times(run, device, seconds, timer) for run in runs]
    return _found(benchmark, device, *choose(times), times)


def choose(times: Sequence[StepTimes]) -> tuple[Chosen, str]:
    """The precision by the sum of the times of equal images, one of every network; and why."""
    refused = [one.name for one in times if one.bfloat16 is None and one.float32 is not None]
    if refused:
        return "float32", f"{', '.join(refused)} cannot be trained in bfloat16"
    timed = [(one.float32 / one.batch_size, one.bfloat16 / one.batch_size)
             for one in times if one.float32 is not None and one.bfloat16 is not None]  # fmt: skip
    if not timed:
        return "float32", "no network could be timed"
    float32, bfloat16 = (sum(seconds) for seconds in zip(*timed, strict=True))
    chosen: Chosen = "bfloat16" if bfloat16 <= WORTH_IT * float32 else "float32"
    return chosen, f"in bfloat16 equal images take {bfloat16 / float32:.2f} times as long as in float32"


def _found(
    benchmark: Benchmark,
    device: torch.device,
    chosen: Chosen,
    reason: str,
    times: Sequence[StepTimes] = (),
) -> Precision:
    name, version = devices.device_name(device), str(torch.__version__)
    return Precision(chosen, reason, name, benchmark.threads, version, list(times))


def _times(run: RunSpec, device: torch.device, seconds: float, timer: Timer) -> StepTimes:
    """The least of steps that take turns, after one of each that warms up."""
    name, batch = f"{run.dataset_name}/{run.variant_name}", run.training.batch_size
    steps, failed = _warmed(run, device, timer)
    if failed:
        return StepTimes(name, batch, timer(steps[0], device) if steps else None, failed=failed)
    rounds: list[tuple[float, ...]] = []
    while not rounds or sum(map(sum, rounds)) < seconds:
        rounds.append(tuple(timer(step, device) for step in steps))
    float32, bfloat16 = (min(times) for times in zip(*rounds, strict=True))
    return StepTimes(name, batch, float32, bfloat16, len(rounds))


def _warmed(run: RunSpec, device: torch.device, timer: Timer) -> tuple[list[TimedStep], str]:
    """The steps in both precisions, each done once; or those before the one that fails, and why it does."""
    warm: list[TimedStep] = []
    for precision in PRECISIONS:
        try:
            step = timed_step(run, precision, device)
            timer(step, device)
        # Whatever it is, of memory or of a user's own layer: if this network cannot be trained, then its
        # training says so, and the others go on.
        except Exception as error:
            return warm, f"{precision}: {type(error).__name__}: {error}"
        warm.append(step)
    return warm, ""


@contextlib.contextmanager
def _threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
