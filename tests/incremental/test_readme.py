"""What the README of `incremental` shows is what the code computes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import pixelcnn.incremental
from pixelcnn.incremental.operations import Stored
from pixelcnn.incremental.planning import Plan
from pixelcnn.incremental.program import Program
from pixelcnn.incremental.schedules import Rows, Schedule, Wavefront
from pixelcnn.layers.base import Chain, Residual
from pixelcnn.layers.convolution import CausalConv2d, masked_conv
from pixelcnn.layers.pointwise import Activation, Pointwise
from pixelcnn.likelihoods.registry import make_likelihood
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.sampling.fast import FastSampler

README = Path(pixelcnn.incremental.__file__).with_name("README.md").read_text(encoding="utf-8")
PARTS = {
    "Activation": Activation,
    "CausalConv2d": CausalConv2d,
    "Chain": Chain,
    "Pointwise": Pointwise,
    "Residual": Residual,
    "masked_conv": masked_conv,
}
SIZE, SKEW, FRONT = 5, 2, 6


def network():
    (shown,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names = dict(PARTS)
    exec(shown, names)
    return names["network"]


def plan(schedule: Schedule) -> Plan:
    program = Program(schedule, 1, torch.zeros(1))
    return program.plan(network()(program.source(4, lambda: torch.zeros(1, 4, SIZE, SIZE)), None))


def mask_b():
    return network().layers[3].taps


def test_the_skew_is_the_one_that_the_sampler_finds():
    class Shown(AutoregressiveModel):
        def build(self, hyperparameters):
            return network()

    image = ImageSpec(1, SIZE, SIZE, 3)
    likelihood = make_likelihood("categorical", 3, 1)
    assert FastSampler(Shown(None, image, likelihood), likelihood).skew == SKEW
    assert f"Skew {SKEW} is the smallest" in README
    for skew, delay in ((SKEW - 1, 1), (SKEW, 0)):
        assert plan(Wavefront(SIZE, SIZE, skew)).entries[-1].output.delay == delay


def test_the_picture_shows_the_fronts_and_what_a_layer_reads():
    schedule = Wavefront(SIZE, SIZE, SKEW)
    fronts, marks = {}, {}
    for front in range(schedule.steps):
        for line in range(*schedule.span(front)):
            fronts[schedule.pixel(front, line)] = front
    for pixel in (place for place, front in fronts.items() if front == FRONT):
        marks[pixel] = "#"
    for row, column in [*marks]:
        for dr, dc in mask_b():
            if (row + dr, column + dc) in fronts:
                marks.setdefault((row + dr, column + dc), "*")
    lines = []
    for row in range(SIZE):
        numbers = "".join(f"{fronts[row, column]:4}" for column in range(SIZE))
        signs = "".join(f"{marks.get((row, column), '.'):>4}" for column in range(SIZE))
        lines.append(f"  {numbers}         {signs}\n")
    assert "".join(lines) in README


def test_the_taps_lie_where_it_says():
    offsets = [Wavefront(SIZE, SIZE, SKEW).offset(*tap) for tap in mask_b()]
    rows = {
        "tap": [f"({dr},{dc})" for dr, dc in mask_b()],
        "front": [front for front, _ in offsets],
        "line": [line for _, line in offsets],
    }
    for name, values in rows.items():
        assert (
            f"{name:13}" + " ".join(f"{value!s:>{7 - (i > 0)}}" for i, value in enumerate(values)) in README
        )


@pytest.mark.parametrize("schedule", [Wavefront(SIZE, SIZE, SKEW), Rows(SIZE, SIZE)])
def test_the_listings_are_the_plans(schedule):
    assert f"```\n{plan(schedule)}\n```" in README


def test_the_hoisted_part_is_what_no_pass_computes():
    entries = [e for e in plan(Rows(SIZE, SIZE)).entries if not isinstance(e.operation, Stored)]
    hoisted = " ".join(str(e.output) for e in entries if e.output.delay <= 0)
    repeated = " ".join(str(e.output) for e in entries if e.output.delay > 0)
    assert f"Hoisted are {hoisted}; in every pass there come {repeated}." in README
