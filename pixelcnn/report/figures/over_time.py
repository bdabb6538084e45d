"""Validation NLL against what was spent on it so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from pixelcnn.report.compare import VariantResult, far_off
from pixelcnn.report.figures.common import four_digits, off_axis_words
from pixelcnn.report.figures.cost import TIME_UNITS, pareto_front, unit_of
from pixelcnn.report.progress import Curve, mean_over_seeds, trained_curves
from pixelcnn.report.style import CONTEXT, WIDTH, Drawing, style

#: So many lines have a name and a colour; more could not be told apart.
NAMED = 10
COLOURS = (
    "#1f5f8b", "#c0561f", "#2c7a4b", "#8e44a0", "#b8303b",
    "#1493a0", "#8a6a1f", "#d6569c", "#5b67c7", "#7a9a1e",
)  # fmt: skip
WORK_UNITS = tuple(
    (f"10{power}", 10.0**exponent) for power, exponent in (("¹⁵", 15), ("¹²", 12), ("⁹", 9), ("⁶", 6))
)
#: Multiply-adds of a training step in those of its forward pass: the backward pass costs twice as much.
STEP = 3
LONGEST = 24


@dataclass(frozen=True, eq=False)
class Line:
    """A variant's mean over seeds, the range of the seeds, and the multiply-adds spent at each validation."""

    result: VariantResult
    mean: Curve
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def work(self) -> NDArray[np.float64] | None:
        """None where the multiply-adds of an image were not counted."""
        cost = self.result.variant.cost
        return STEP * cost.multiply_adds * self.mean.images if cost else None

    @property
    def label(self) -> str:
        """Its name, shortened where it is long, and the mark of what is given the label."""
        name = self.result.name
        short = name if len(name) <= LONGEST else f"{name[: LONGEST - 10]}…{name[-9:]}"
        return short + ("*" if self.result.conditional else "")


#: The label of an axis, its units, and the values on it of each line.
Panel = tuple[str, Sequence[tuple[str, float]], list[tuple[Line, NDArray[np.float64]]]]


def quality_over_time(results: Sequence[VariantResult]) -> Drawing | None:
    """Mean validation NLL against seconds of training steps and against multiply-adds, a line a variant."""
    far = far_off(results)
    lines = list(_lines([r for r in results if r not in far]))
    if not lines:
        return None
    named = _named(lines)
    panels: list[Panel] = [("training steps", TIME_UNITS, [(line, line.mean.seconds) for line in lines])]
    worked = [(line, work) for line in lines if (work := line.work) is not None]
    if worked:
        panels.append(("multiply-adds", WORK_UNITS, worked))
    with style():
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        grid[0].set_ylim(*_limits(lines))
        grid[0].set_ylabel("validation NLL, nats per image", fontsize=9.5)
        ends = []
        for axes, (label, units, drawn) in zip(grid, panels, strict=True):
            unit, size = unit_of([float(x[-1]) for _, x in drawn], units)
            scaled = [(line, x / size) for line, x in drawn]
            _draw(axes, scaled, named)
            axes.set_xlabel(f"{label} ({unit})", fontsize=9)
            ends.append([(line, float(x[-1])) for line, x in scaled if line in named])
        figure.draw_without_rendering()  # heights are known only after the layout
        for axes, own in zip(grid, ends, strict=True):
            _label_ends(figure, axes, own, [COLOURS[named.index(line)] for line, _ in own])
    return Drawing(figure, _caption(lines, named, bool(worked), far), _alt(lines))


def _lines(results: Sequence[VariantResult]) -> list[Line]:
    found = [(r, mean_over_seeds(trained_curves(r))) for r in results]
    return [Line(result, *curves) for result, curves in found if curves]


def _named(lines: Sequence[Line]) -> list[Line]:
    """Those with names and colours: all, or those that no other beats in both time and NLL, and the best."""
    if len(lines) <= NAMED:
        return list(lines)
    alike = [line for line in lines if not line.result.conditional] or list(lines)
    front = pareto_front([float(line.mean.seconds[-1]) for line in alike], [line.mean.best for line in alike])
    # The front from its best end: a cheaper variant than those is a worse one.
    first = [alike[place] for place in reversed(front)]
    chosen = (first + [line for line in lines if line not in first])[:NAMED]
    return [line for line in lines if line in chosen]


def _limits(lines: Sequence[Line]) -> tuple[float, float]:
    """From the best seed up to where the typical line is after a tenth, or less if that would hide the ends.

    The ends, or 2 % of the NLL should they be closer than that, have a fifth of the axis.
    """
    low = min(float(line.low.min()) for line in lines)
    ends = max(float(line.high[-1]) for line in lines)
    early = [float(line.mean.nll[math.ceil(len(line.mean.nll) / 10) - 1]) for line in lines]
    spread = max(ends - low, 0.02 * abs(low), 1e-6)
    high = max(ends, min(float(np.median(early)), low + 5 * spread), low + spread)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _draw(axes: Axes, drawn: Sequence[tuple[Line, NDArray[np.float64]]], named: Sequence[Line]) -> None:
    for line, x in drawn:
        if line not in named:
            axes.plot(x, line.mean.nll, color=CONTEXT, lw=0.8, zorder=1)
            continue
        colour = COLOURS[named.index(line)]
        axes.fill_between(x, line.low, line.high, color=colour, alpha=0.16, lw=0, zorder=2)
        dashes = (0, (4, 1.5)) if line.result.conditional else "-"
        axes.plot(x, line.mean.nll, color=colour, lw=1.5, ls=dashes, zorder=3)
        axes.plot(x[-1:], line.mean.nll[-1:], "o", ms=3.5, color=colour, zorder=4)
    ends = [float(x[-1]) for _, x in drawn]
    top = axes.get_ylim()[1]
    first = min(float(x[max(0, int(np.argmax(line.mean.nll <= top)) - 1)]) for line, x in drawn)
    if first > 0 and max(ends) > 3 * min(ends):
        axes.set_xscale("log")
        axes.set_xlim(first, max(ends) * (max(ends) / first) ** 0.03)
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=6))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, 1.03 * max(ends) or 1.0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: four_digits(value)))
    axes.tick_params(labelsize=8)
    axes.grid()
    axes.set_axisbelow(True)


def _label_ends(
    figure: Figure, axes: Axes, ends: Sequence[tuple[Line, float]], colours: Sequence[str]
) -> None:
    """Names right of the axes, each as high as its line ends if there is room, and joined to that end."""
    height = 11.0 * figure.dpi / 72 / axes.bbox.height
    low, high = axes.get_ylim()
    wanted = [(float(line.mean.nll[-1]) - low) / (high - low) for line, _ in ends]
    places = apart(wanted, height)
    for (line, x), colour, place in zip(ends, colours, places, strict=True):
        axes.annotate(
            line.label,
            (x, float(line.mean.nll[-1])),
            xytext=(1.04, place),
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "alpha": 0.6, "relpos": (0, 0.5)},
            annotation_clip=False,
        )


def apart(wanted: Sequence[float], distance: float) -> list[float]:
    """Places near the wanted ones (least squares) that keep a distance, in their order, none below 0."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[list[int]] = []
    starts: list[float] = []
    for i in order:
        groups.append([i])
        starts.append(max(0.0, wanted[i]))
        while len(groups) > 1 and starts[-2] + distance * len(groups[-2]) > starts[-1]:
            groups[-2:] = [groups[-2] + groups[-1]]
            middle = float(np.mean([wanted[k] - distance * j for j, k in enumerate(groups[-1])]))
            starts[-2:] = [max(0.0, middle)]
    places = [0.0] * len(wanted)
    for group, start in zip(groups, starts, strict=True):
        for j, i in enumerate(group):
            places[i] = start + distance * j
    return places


def _caption(lines: Sequence[Line], named: Sequence[Line], worked: bool, far: Sequence[VariantResult]) -> str:
    left = " on the left" if worked else ""
    words = f"Validation NLL against the time of training steps so far{left}"
    if worked:
        words += (
            f" and, on the right, against multiply-adds: those of an image’s forward pass times the images "
            f"seen, times {STEP} for forward and backward pass"
        )
    words += ". Lines: mean over seeds; bands: from the lowest to the highest seed. Lower left is better."
    if len(named) < len(lines):
        words += (
            f" {len(named)} of {len(lines)} variants are named: those that no other beats in both time and "
            "NLL, and the best of the ranking; the others are grey."
        )
    if any(line.result.conditional for line in lines):
        words += " *Conditional (dashed): NLL given the label, which does not compare with the others."
    words += " Other runs may have run beside them. First validations may lie above the axis."
    return words + off_axis_words(far)


def _alt(lines: Sequence[Line]) -> str:
    return "Validation NLL over time: " + "; ".join(
        f"{line.result.name} reaches {line.mean.best:.2f} in {four_digits(float(line.mean.seconds[-1]))} s"
        for line in lines
    )
