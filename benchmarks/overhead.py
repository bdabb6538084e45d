"""What of a benchmark's CPU time is computing, and what the pipeline adds to it.

    python -m benchmarks.overhead [--config configs/preview.yaml] [--cores 2] [--fork-server on|off|both]

Runs a benchmark through Snakemake in a folder of its own, once with the fork server (`cli/fork_server.py`)
and once without. Prints the CPU seconds of each kind of job and what they went into: training steps,
likelihoods (validation and test), sampling, what else has a name, and the rest, which is imports, files,
pictures, and starting and ending processes. The shares are those of steps, and of steps and likelihoods, in
all but sampling.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pixelcnn.scheduling.hooks import NO_FORK_SERVER
from pixelcnn.system import forked

ROOT = Path(__file__).resolve().parent.parent
#: What is computing; `sampling` is looked at apart.
COMPUTING = ("steps", "likelihoods")


@dataclass
class Kind:
    """The processes of one kind of job: how many, their CPU seconds, those of their parts."""

    processes: int = 0
    seconds: float = 0.0
    parts: collections.Counter[str] = field(default_factory=collections.Counter)


@dataclass
class Found:
    """What a benchmark took, in seconds."""

    wall: float
    cpu: float
    kinds: dict[str, Kind]

    def share(self, *names: str) -> float:
        """Of parts in all but sampling."""
        parts = collections.Counter[str]()
        for kind in self.kinds.values():
            parts.update(kind.parts)
        return sum(parts[name] for name in names) / (self.cpu - parts["sampling"])


def run(config: str, cores: int, fork_server: bool) -> Found:
    """A benchmark, from nothing to its report."""
    with tempfile.TemporaryDirectory(prefix="pixelcnn-overhead-") as folder:
        clocks = Path(folder) / "clocks"
        clocks.mkdir()
        path = [str(ROOT / "benchmarks" / "clocks"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "PIXELCNN_CLOCKS": str(clocks)}
        if not fork_server:
            environment[forked.ADDRESS] = NO_FORK_SERVER
        command = [sys.executable, "-m", "snakemake", "report", "--cores", str(cores), "--configfile", config]
        started, before = time.perf_counter(), _children()
        subprocess.run(
            [*command, "--config", f"results={folder}/results"],
            check=True, capture_output=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        wall, cpu = time.perf_counter() - started, _children() - before
        kinds: dict[str, Kind] = collections.defaultdict(Kind)
        for name, seconds, parts in _said(clocks):
            kind = kinds[name]
            kind.processes += 1
            kind.seconds += seconds
            kind.parts.update(parts)
        known = sum(kind.seconds for kind in kinds.values())
        kinds["no Python, or killed"] = Kind(0, cpu - known)
        return Found(wall, cpu, kinds)


def _children() -> float:
    """CPU seconds of all processes that this one waited for, and those that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _said(clocks: Path) -> Iterator[tuple[str, float, dict[str, float]]]:
    for path in clocks.glob("*.json"):
        said = json.loads(path.read_text(encoding="utf-8"))
        program, *arguments = said["argv"]
        parent = Path(program).parent.name
        name = Path(program).stem if Path(program).stem != "__main__" else parent
        yield (arguments[0] if parent == "pixelcnn" and arguments else name), said["seconds"], said["parts"]


def table(found: Found) -> str:
    """One line a kind of job."""
    names = sorted({part for kind in found.kinds.values() for part in kind.parts})
    lines = [["", "processes", "CPU s", *names, "rest", "rest each"]]
    total = Kind()
    for name, kind in sorted(found.kinds.items(), key=lambda item: -item[1].seconds):
        lines.append(_line(name, kind, names))
        total.processes += kind.processes
        total.seconds += kind.seconds
        total.parts.update(kind.parts)
    lines.append(_line("all", total, names))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def _line(name: str, kind: Kind, names: list[str]) -> list[str]:
    rest = kind.seconds - sum(kind.parts.values())
    each = f"{rest / kind.processes:.2f}" if kind.processes else ""
    parts = [f"{kind.parts[part]:.1f}" if part in kind.parts else "" for part in names]
    return [name, str(kind.processes or ""), f"{kind.seconds:.1f}", *parts, f"{rest:.1f}", each]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="configs/preview.yaml")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--fork-server", choices=["on", "off", "both"], default="both")
    options = parser.parse_args()
    found = {}
    for switch in ("on", "off") if options.fork_server == "both" else (options.fork_server,):
        found[switch] = run(options.config, options.cores, switch == "on")
        one = found[switch]
        print(f"fork server {switch}: {one.cpu:.1f} s of CPU time, {one.wall:.1f} s by the clock")
        print(table(one))
        steps, both = one.share("steps"), one.share(*COMPUTING)
        print(f"of all but sampling: steps {steps:.1%}, with likelihoods {both:.1%} (n = 1)\n", flush=True)
    if len(found) == 2:
        print(f"CPU time with it : without it = {found['on'].cpu / found['off'].cpu:.3f}")


if __name__ == "__main__":
    main()
