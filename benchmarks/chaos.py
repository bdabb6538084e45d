"""Kills a small benchmark at random moments and compares what it ends with to an undisturbed one.

    python -m benchmarks.chaos [--kills 50] [--seed 0] [--jobs 2]

Each trial is a benchmark of its own: prepare, train, evaluate and sample through the command line. One
SIGTERM, SIGINT or SIGKILL comes from outside at a moment drawn evenly from the time that the undisturbed
commands took; the killed command is given again, and the rest follows. Then weights, history and
metrics must equal the undisturbed ones bit for bit, and MLflow, which looked after the kill and at the end,
must have one finished run with contiguous steps.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.scheduling.planning import load_resolved

#: What must be equal, bit for bit; the rest of a record is about time and machine.
METRICS = (
    "digest",
    "data_sha256",
    "images",
    "dims",
    "levels",
    "nll",
    "bits_per_dim",
    "perplexity",
    "marginal_nll",
    "marginal_bits_per_dim",
    "marginal_perplexity",
    "accuracy",
)
HISTORY = ("epoch", "images", "step", "train_nll", "valid_nll", "learning_rate", "gradient_norm")
RECORD = ("status", "epochs", "best_epoch", "best_valid_nll", "stopped_early", "images_seen", "precision")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)

CONFIG: dict[str, Any] = {
    "benchmark": "chaos",
    "datasets": {"digits": {"source": "mnist5k", "image_size": 7, "levels": 4}},
    "variants": {
        "gated": {
            "model": "gated",
            "conditional": True,
            "hyperparameters": {"channels": 8, "blocks": 2, "head_channels": 16},
        }
    },
    "seeds": [0],
    # float32, for `auto` is measured anew in every folder, and what is compared must have the same.
    "training": {"epochs": 4, "batch_size": 32, "warmup_steps": 20, "precision": "float32"},
    "sampling": {"images": 10, "completions": 2},
    "saving": {"minutes": 0},
    "device": "cpu",
}
RUN = ("--variant", "gated", "--seed", "0")
COMMANDS = (
    ("prepare",),
    ("train", *RUN),
    ("evaluate", *RUN),
    ("sample", *RUN, "--also-complete"),
)


@dataclass(frozen=True)
class Kill:
    """A signal that comes `after` seconds of a command."""

    command: int
    after: float
    number: signal.Signals

    def __str__(self) -> str:
        return f"{self.number.name} to {COMMANDS[self.command][0]} after {self.after:.2f} s"


@dataclass(frozen=True)
class Outcome:
    """What became of a trial: the status of the killed command, and what differs at the end."""

    kill: Kill
    status: int
    differences: list[str]


def write_config(folder: Path, config: dict[str, Any]) -> Path:
    """A benchmark of this name in `folder`, with its results beside it."""
    path = folder / f"{config['benchmark']}.json"
    path.write_text(json.dumps({**config, "results": str(folder / "results")}), encoding="utf-8")
    return path


def start(config: Path, command: Sequence[str]) -> subprocess.Popen[str]:
    """A command of `pixelcnn` on a benchmark."""
    name, *arguments = command
    return subprocess.Popen(
        [sys.executable, "-m", "pixelcnn", name, str(config), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        # In the background of a script SIGINT is ignored, and children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(config: Path, command: Sequence[str]) -> float:
    """Run a command to its end; returns its seconds."""
    started = time.monotonic()
    process = start(config, command)
    _, errors = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}:\n{errors}")
    return time.monotonic() - started


def undisturbed(config: Path) -> list[float]:
    """Run every command; returns their seconds."""
    return [finish(config, command) for command in COMMANDS]


def disturbed(config: Path, kill: Kill) -> int:
    """Run every command, one of them killed and given again; returns the status of the killed one."""
    status = 0
    for i, command in enumerate(COMMANDS):
        if i == kill.command:
            process = start(config, command)
            try:
                process.communicate(timeout=kill.after)
            except subprocess.TimeoutExpired:
                process.send_signal(kill.number)
                process.communicate()
            status = process.returncode
            project(config)
        finish(config, command)
    project(config)
    return status


def project(config: Path) -> None:
    """Let MLflow look at what there is, as while a workflow runs."""
    from pixelcnn.tracking import projection

    benchmark = load_resolved(config)
    if (folder := folder_of(benchmark)).path.exists():
        folder.config.write_text(json.dumps(benchmark.to_json()), encoding="utf-8")
        projection.project(folder.path)


def run_folder(config: Path) -> Path:
    """The folder of the benchmark's only run."""
    benchmark = load_resolved(config)
    return folder_of(benchmark).run_of(benchmark.runs()[0]).path


def differences(wanted: Path, found: Path) -> list[str]:
    """What is not the same in two run folders."""
    a, b = RunFolder(wanted), RunFolder(found)
    named = {
        "metrics": (_chosen(a.metrics(), METRICS), _chosen(b.metrics(), METRICS)),
        "record": (_chosen(a.record(), RECORD), _chosen(b.record(), RECORD)),
        "history": tuple([{k: line[k] for k in HISTORY} for line in run.history()] for run in (a, b)),
    }
    told = [f"{name}: {x} and {y}" for name, (x, y) in named.items() if x != y]
    told += weights_differ(wanted, found)
    for one, other in ((a.nats, b.nats), (a.samples, b.samples), (a.completions, b.completions)):
        with np.load(one) as x, np.load(other) as y:
            if set(x) != set(y) or not all(np.array_equal(x[key], y[key]) for key in x):
                told.append(f"{one.name} differs")
    left = [path.name for path in b.attempt.path.glob(b.state("*").name)]
    return told + [f"{name} was left" for name in left]


def weights_differ(wanted: Path, found: Path) -> list[str]:
    """Which of the weights of two checkpoints are not the same."""
    loaded = [checkpoint.load(RunFolder(folder).checkpoint) for folder in (wanted, found)]
    told = []
    for kind in ("weights", "ema_weights"):
        x, y = (getattr(one, kind) for one in loaded)
        if x.keys() != y.keys() or not all(torch.equal(x[key], y[key]) for key in x):
            told.append(f"{kind} differ")
    return told


def _chosen(value: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(value, name, None) for name in names}


def tracked(config: Path) -> list[str]:
    """What is wrong with how MLflow shows the benchmark: one finished run, each step once."""
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    from pixelcnn.tracking.store import default_store

    benchmark = load_resolved(config)
    client = MlflowClient(tracking_uri=default_store(Path(benchmark.results)).uri)
    experiment = client.get_experiment_by_name(benchmark.benchmark)
    if experiment is None:
        return ["MLflow: no experiment"]
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'run'", run_view_type=ViewType.ALL)
    if [run.info.status for run in runs] != ["FINISHED"]:
        return [f"MLflow: the runs are {[run.info.status for run in runs]}"]
    told = []
    assert benchmark.training.epochs is not None  # see CONFIG
    epochs = list(range(1, benchmark.training.epochs + 1))
    for key in runs[0].data.metrics:
        steps = sorted(point.step for point in client.get_metric_history(runs[0].info.run_id, key))
        if steps not in (epochs, [0]):
            told.append(f"MLflow: {key} has the steps {steps}")
    return told


def random_kill(seconds: Sequence[float], draw: random.Random) -> Kill:
    """A signal at a moment drawn evenly from the time that all commands take."""
    moment, command = draw.uniform(0, sum(seconds)), 0
    while moment > seconds[command] and command < len(seconds) - 1:
        moment -= seconds[command]
        command += 1
    return Kill(command, moment, draw.choice(SIGNALS))


def trial(folder: Path, number: int, kill: Kill, reference: Path) -> Outcome:
    """One benchmark with one kill."""
    config = write_config(folder, {**CONFIG, "benchmark": f"chaos-{number}"})
    status = disturbed(config, kill)
    return Outcome(kill, status, differences(reference, run_folder(config)) + tracked(config))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and signals")
    parser.add_argument("--jobs", type=int, default=2, help="trials side by side")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="pixelcnn-chaos-") as name:
        folder = Path(name)
        config = write_config(folder, CONFIG)
        seconds = undisturbed(config)
        project(config)  # makes MLflow's database
        kills = [random_kill(seconds, draw) for _ in range(options.kills)]
        reference, outcomes = run_folder(config), []
        with ThreadPoolExecutor(options.jobs) as pool:
            numbered = list(enumerate(kills))
            for outcome in pool.map(lambda item: trial(folder, item[0], item[1], reference), numbered):
                outcomes.append(outcome)
                told = "; ".join(outcome.differences) or "identical"
                print(f"{len(outcomes):3} {outcome.kill}, ended with {outcome.status}: {told}", flush=True)
    same = sum(not outcome.differences for outcome in outcomes)
    killed = Counter(f"{COMMANDS[o.kill.command][0]} {o.kill.number.name}" for o in outcomes if o.status != 0)
    print(f"{same} of {len(outcomes)} identical; killed in time: {dict(sorted(killed.items()))}")
    return 0 if same == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
