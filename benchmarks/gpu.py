"""Everything that needs a GPU, checked and measured by one command; prints one table.

    python -m benchmarks.gpu [--quick] [--device cpu] [--only PART ...]

Needs torch and numpy, and neither a config nor data. Each line says what was looked at, the figure, its unit
and a verdict: ok, FAILED with a reason, or "not possible here" with one. On a GPU each part runs in a process
of its own, since an error there may spoil all that comes after it. The status is 1 if a check failed, 2 if
there is no GPU. `--quick` takes a tiny network and one step of each kind: its speeds mean nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import torch

from benchmarks.on_gpu import checks, speed
from benchmarks.on_gpu.lines import FAILED, Line, Setting
from pixelcnn.system import devices

PARTS: dict[str, Callable[[Setting], Iterator[Line]]] = {
    "placement": checks.placement,
    "agreement": checks.agreement,
    "samplers": checks.samplers,
    "seeds": checks.stacked,
    "resume": checks.resume,
    "training": speed.training,
    "sampling": speed.sampling,
}
#: Deterministic products of matrices need it before CUDA begins.
ENVIRONMENT = {"resume": {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}}
#: A part that takes longer hangs.
MINUTES = 30
NO_GPU = "benchmarks.gpu: torch finds no GPU here; --device cpu tries what can be tried without one"


def lines_of(part: str, setting: Setting) -> Iterator[Line]:
    """The lines of a part; if it breaks off, the last one says so."""
    try:
        yield from PARTS[part](setting)
    except Exception as error:
        yield Line(f"the part {part}", verdict=f"{FAILED}: {type(error).__name__}: {error}")


def lines_of_process(part: str, setting: Setting) -> Iterator[Line]:
    """The same from a process of its own, whatever ends it."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--child", part, "--device", setting.device.type]
    command += ["--quick"] * setting.quick
    env = {**os.environ, **ENVIRONMENT.get(part, {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=env) as process:
        assert process.stdout is not None
        end = threading.Timer(60 * MINUTES, process.kill)
        end.start()
        for text in process.stdout:
            yield Line(**json.loads(text))
        end.cancel()
    if process.returncode:
        yield Line(f"the part {part}", verdict=f"{FAILED}: its process ended with {process.returncode}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="tiny networks and few steps")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART",
                        help=f"of {', '.join(PARTS)}")  # fmt: skip
    parser.add_argument("--child", choices=list(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    setting = Setting(torch.device(options.device), options.quick)
    devices.exact_float32()
    if options.child:
        for line in lines_of(options.child, setting):
            print(json.dumps(dataclasses.asdict(line)), flush=True)
        return 0
    apart = setting.device.type == "cuda"
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    versions += f", CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" * apart
    print(f"{devices.device_name(setting.device)}, {versions}")
    failed = 0
    for part in options.only:
        for line in (lines_of_process if apart else lines_of)(part, setting):
            print(line, flush=True)
            failed += line.failed
    print(f"{failed} FAILED" if failed else "no check failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
