"""Budgets in images by which every variant of a config trains for about the same time, and that config."""

from __future__ import annotations

import copy
import os
import platform
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import yaml

from pixelcnn.analysis.cost import step_seconds
from pixelcnn.config.run_spec import BUDGETS, RunSpec
from pixelcnn.data.prepared import PreparedData
from pixelcnn.system import devices

#: Characters of a line of YAML.
WIDTH = 100
SCHEMA = "# yaml-language-server: $schema="


@dataclass(frozen=True)
class Timed:
    """How long a step of a variant takes, of so many images, and what follows for its budget."""

    variant: str
    seconds_a_step: float
    images_a_step: int
    images: int
    passes: float


def time_variants(
    specs: Sequence[RunSpec], data: PreparedData, device: torch.device, seconds: float, automatic: str
) -> list[Timed]:
    """The budgets of runs of different variants, whose steps take `seconds` in all; by the median of rounds.

    `automatic` is the precision of those with `auto`.

    Raises:
        RunFailed: if memory runs out.
    """
    a_pass = len(data.splits["train"].images)
    found = []
    for spec, times in zip(specs, step_seconds(specs, data, device, automatic), strict=True):
        a_step, together = median(times), min(spec.training.batch_size, a_pass)
        images = max(1, round(seconds / a_step * together))
        found.append(Timed(spec.variant_name, a_step, together, images, images / a_pass))
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


def config_text(value: Mapping[str, Any], source: Path, target: Path, how: str) -> str:
    """The YAML of a config made from the one at `source`, with how it was made at its head."""
    head = [f"# {line}" for line in textwrap.wrap(how, WIDTH)]
    first = source.read_text(encoding="utf-8").partition("\n")[0]
    if first.startswith(SCHEMA):
        schema = first.removeprefix(SCHEMA)
        if "://" not in schema:
            schema = os.path.relpath(source.parent / schema, target.parent)
        head.insert(0, f"{SCHEMA}{schema}")
    body = yaml.dump(dict(value), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=WIDTH)
    return "\n".join(head) + "\n" + body


class _Plain(yaml.SafeDumper):
    """Writes what stands at several places out at each."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors."""
        return True
