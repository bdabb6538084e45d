"""Python imports this by itself where its folder is on PYTHONPATH: `benchmarks/overhead.py` puts it there.

At its end every process writes the CPU seconds that it used, and those within the functions of PARTS. A part
within another one counts for itself alone.
"""

from __future__ import annotations

import atexit
import importlib.machinery
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

#: What is timed: module, function (or class and method), the name of the part.
PARTS = [
    ("pixelcnn.training.step", "TrainingStep.__call__", "steps"),
    ("pixelcnn.evaluation.likelihoods", "evaluate", "likelihoods"),
    ("pixelcnn.sampling.api", "sample", "sampling"),
    ("pixelcnn.invariants.before_training", "prove_no_leak", "proof"),
    ("pixelcnn.analysis.receptive", "receptive_field", "receptive field"),
    ("pixelcnn.analysis.classifier", "train_classifier", "classifier"),
    ("pixelcnn.analysis.cost", "measure_cost", "cost"),
]

SECONDS: dict[str, float] = {}
_within: list[float] = []


def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
    """The same function; the CPU time of the process meanwhile is added to a part."""

    def call(*arguments: Any, **named: Any) -> Any:
        started = time.process_time()
        _within.append(0.0)
        try:
            return function(*arguments, **named)
        finally:
            took = time.process_time() - started
            SECONDS[part] = SECONDS.get(part, 0.0) + took - _within.pop()
            if _within:
                _within[-1] += took

    return call


class Finder:
    """Finds the modules of PARTS as Python does, and wraps their functions once they are loaded."""

    @staticmethod
    def find_spec(name: str, path: Any, target: object = None) -> ModuleSpec | None:
        """Of other modules nothing, so that Python looks on."""
        parts = [(function, part) for module, function, part in PARTS if module == name]
        spec = importlib.machinery.PathFinder.find_spec(name, path) if parts else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_wrap(module: ModuleType) -> None:
            load(module)
            for function, part in parts:
                *of, last = function.split(".")
                place = getattr(module, of[0]) if of else module
                setattr(place, last, timed(getattr(place, last), part))

        spec.loader.exec_module = load_and_wrap  # type: ignore[method-assign]
        return spec


def write() -> None:
    """One file a process: its arguments, its seconds and those of its parts."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    said = {"argv": sys.argv, "seconds": used.ru_utime + used.ru_stime, "parts": SECONDS}
    path = Path(os.environ["PIXELCNN_CLOCKS"]) / f"{os.getpid()}-{time.monotonic_ns()}.json"
    path.write_text(json.dumps(said), encoding="utf-8")


if "PIXELCNN_CLOCKS" in os.environ:
    sys.meta_path.insert(0, Finder)
    atexit.register(write)
