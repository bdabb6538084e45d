"""Budgets in images by which every variant of a config trains for about the same time, and that config."""

from __future__ import annotations

import copy
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch

from pixelcnn.analysis.cost import step_seconds
from pixelcnn.config.run_spec import BUDGETS, RunSpec
from pixelcnn.system import devices


@dataclass(frozen=True)
class Timed:
    """How long a step of a variant takes, of so many images, and what follows for its budget."""

    variant: str
    seconds_a_step: float
    images_a_step: int
    images: int
    passes: float


def time_variants(
    specs: Sequence[RunSpec], a_pass: int, device: torch.device, seconds: float, automatic: str
) -> list[Timed]:
    """The budgets of runs of different variants, whose steps take `seconds` in all; by the median of rounds.

    `a_pass` is how many training images there are; `automatic` is the precision of those with `auto`.

    Raises:
        RunFailed: if memory runs out.
    """
    found = []
    # Of fewer images than a batch each step takes all.
    together = [min(spec.training.batch_size, a_pass) for spec in specs]
    of_steps = [
        replace(spec, training=replace(spec.training, batch_size=n))
        for spec, n in zip(specs, together, strict=True)
    ]
    for spec, n, times in zip(specs, together, step_seconds(of_steps, device, automatic), strict=True):
        images = max(1, round(seconds / median(times) * n))
        found.append(Timed(spec.variant_name, median(times), n, images, images / a_pass))
    return found


def with_budgets(written: Mapping[str, Any], timed: Sequence[Timed], name: str, note: str) -> dict[str, Any]:
    """A config as it was written, under another name, with these budgets and a sentence more in its note."""
    value: dict[str, Any] = copy.deepcopy(dict(written))
    for one in timed:
        variant = value["variants"][one.variant]
        own = {k: v for k, v in (variant.get("training") or {}).items() if k not in BUDGETS}
        variant["training"] = {**own, "images": one.images}
    value["benchmark"] = name
    value["note"] = f"{value.get('note') or ''} {note}".strip()
    return value


def how_made(command: str, device: torch.device, threads: int) -> str:
    """Where the budgets of a config are from, in one sentence."""
    return (
        f"The variants train equally long, not on equally many images: the budgets are by `{command}`, from "
        f"step times on {platform.node()} ({devices.device_name(device)}, {threads} "
        f"thread{'s' if threads > 1 else ''})."
    )
