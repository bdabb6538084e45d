"""Quality against each thing that a variant costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from pixelcnn.report.compare import VariantResult, far_off
from pixelcnn.report.figures.common import nll_limits, off_axis_words
from pixelcnn.report.style import INK, MUTED, WIDTH, Drawing, kind_colour, style

#: Up to so many points carry their names; beyond, names would hide the points.
LABELLED = 10


TIME_UNITS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
MEMORY_UNITS = (("GiB", 2.0**30), ("MiB", 2.0**20))
SHORT_UNITS = (("seconds", 1.0), ("milliseconds", 1e-3), ("microseconds", 1e-6))
COUNT_UNITS = (("billions", 1e9), ("millions", 1e6), ("thousands", 1e3), ("", 1.0))


@dataclass(frozen=True)
class Expense:
    """Something that a variant costs: its label, the units it may be told in, its amount or None."""

    label: str
    units: Sequence[tuple[str, float]]
    amount: Callable[[VariantResult], float | None]


def _parameters(result: VariantResult) -> float | None:
    return None if result.parameters is None else float(result.parameters)


def _multiply_adds(result: VariantResult) -> float | None:
    return float(result.variant.cost.multiply_adds) if result.variant.cost else None


def _training(result: VariantResult) -> float | None:
    return result.summaries["training_seconds"].mean if "training_seconds" in result.summaries else None


def _sampling(result: VariantResult) -> float | None:
    cost = result.variant.cost
    return cost.sampling if cost else None


def _step(result: VariantResult) -> float | None:
    cost = result.variant.cost
    return cost.step / cost.batch_size if cost else None


def _memory(result: VariantResult) -> float | None:
    return result.summaries["peak_memory_bytes"].mean if "peak_memory_bytes" in result.summaries else None


EXPENSES = (
    Expense("parameters", COUNT_UNITS, _parameters),
    Expense("multiply-adds an image", COUNT_UNITS, _multiply_adds),
    Expense("training of one seed", TIME_UNITS, _training),
    Expense("training step, an image", SHORT_UNITS, _step),
    Expense("sampling, an image", SHORT_UNITS, _sampling),
    Expense("peak memory of a training", MEMORY_UNITS, _memory),
)


def unit_of(values: Sequence[float], units: Sequence[tuple[str, float]]) -> tuple[str, float]:
    """The largest unit, its name and size, that leaves the typical value at 1 or more."""
    typical = float(np.median(values))
    return next(((name, size) for name, size in units if typical >= size), units[-1])


def _in_unit(values: Sequence[float], units: Sequence[tuple[str, float]]) -> tuple[list[float], str]:
    """The values in a unit that suits them, and its name in brackets."""
    name, size = unit_of(values, units)
    return [value / size for value in values], f" ({name})" if name else ""


def quality_against_cost(results: Sequence[VariantResult]) -> Drawing | None:
    """Mean test NLL against each thing that a variant costs, with the front of those that none beats."""
    ranked = [r for r in results if r.nll]
    far = far_off(ranked)
    near = [r for r in ranked if r not in far]
    panels = [(e, [r for r in near if e.amount(r) is not None]) for e in EXPENSES]
    panels = [(e, shown) for e, shown in panels if len(shown) >= 2]
    if not panels:
        return None
    columns = 3 if len(panels) > 4 else 2
    rows = math.ceil(len(panels) / columns)
    drawn = []
    with style():
        figure = Figure(figsize=(WIDTH, (2.7 if columns == 3 else 3.1) * rows + 0.3), layout="constrained")
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        grid[0, 0].set_ylim(*nll_limits(near))
        for axes, (expense, shown) in zip(grid.flat, panels, strict=False):
            costs, unit = _in_unit([expense.amount(r) or 0.0 for r in shown], expense.units)
            _draw_cost(axes, shown, costs, expense.label + unit)
            drawn.append((axes, shown, costs))
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        figure.supylabel("test NLL, nats per image", fontsize=9.5)
        figure.draw_without_rendering()  # places are known only after the layout, which labels do not change
        for axes, shown, costs in drawn:
            _label_points(axes, shown, costs, figure.dpi)
    keys = "labelled by name" if len(near) <= LABELLED else "labelled by rank as in the table"
    caption = (
        f"Mean test NLL (bar: 95 % t-interval) against what a variant costs; {keys}. Lower left is better. "
        "The grey line joins the variants that none beats in both (Pareto front, of means). Conditional "
        "variants (orange) are label-marginalised. Training time is that of the steps, while other runs may "
        "have run beside them; a step and sampling were timed by a job of their own." + off_axis_words(far)
    )
    alt = "Test NLL against cost: " + "; ".join(
        f"{expense.label}: " + ", ".join(f"{r.name} {expense.amount(r):.4g}" for r in shown)
        for expense, shown in panels
    )
    return Drawing(figure, caption, alt)


def pareto_front(costs: Sequence[float], nlls: Sequence[float]) -> list[int]:
    """The points that no other beats in both, by their place, cheapest first."""
    front: list[int] = []
    for place in sorted(range(len(costs)), key=lambda i: (costs[i], nlls[i])):
        if not front or nlls[place] < nlls[front[-1]]:
            front.append(place)
    return front


def _draw_cost(axes: Axes, results: Sequence[VariantResult], costs: Sequence[float], label: str) -> None:
    for result, cost in zip(results, costs, strict=True):
        nll, colour = result.nll, kind_colour(result.conditional)
        if nll is None:
            continue
        if nll.low is not None and nll.high is not None:
            axes.plot([cost, cost], [nll.low, nll.high], color=colour, lw=1.4, alpha=0.6)
        axes.plot([cost], [nll.mean], "o", ms=6.5, color=colour, mec="white", mew=0.8, zorder=3)
    nlls = [r.nll.mean for r in results if r.nll]
    front = pareto_front(costs, nlls)
    axes.plot([costs[i] for i in front], [nlls[i] for i in front], color=MUTED, lw=0.9, alpha=0.6, zorder=1)
    low, high = min(costs), max(costs)
    if low > 0 and high / low > 3:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.35, high * (high / low) ** 0.12 * 1.2)
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=6))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(max(0.0, low - 0.3 * (high - low)), high + 0.3 * (high - low) + 1e-9 + 0.05 * high)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    axes.set_xlabel(label, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid()
    axes.set_axisbelow(True)


def _label_points(axes: Axes, results: Sequence[VariantResult], costs: Sequence[float], dpi: float) -> None:
    """Names beside the points, moved apart vertically where they would overlap; `dpi` is the figure's."""
    height = 11.0 * dpi / 72
    to_pixels = axes.transData.transform
    points = [(to_pixels((c, r.nll.mean)), c, r) for r, c in zip(results, costs, strict=True) if r.nll]
    points.sort(key=lambda point: float(point[0][1]))
    taken: list[tuple[float, float, float]] = []  # left, right, y of the labels placed so far
    middle = float(np.mean(axes.bbox.intervalx))
    for (x, y), cost, result in points:
        text = result.name if len(results) <= LABELLED else str(result.rank)
        length = 5.2 * len(text) * dpi / 72
        rightwards = x <= middle or x + length < axes.bbox.x1
        left, right = (x + 7, x + 7 + length) if rightwards else (x - 7 - length, x - 7)
        place = float(y)
        for other_left, other_right, other_y in sorted(taken, key=lambda other: other[2]):
            if left < other_right and right > other_left and abs(place - other_y) < height:
                place = other_y + height
        taken.append((left, right, place))
        points_per_pixel = 72 / dpi  # offsets in points hold whatever resolution is saved
        note = axes.annotate(
            text,
            (cost, result.nll.mean if result.nll else 0.0),
            xytext=(7 if rightwards else -7, (place - y) * points_per_pixel),
            textcoords="offset points",
            ha="left" if rightwards else "right",
            va="center",
            fontsize=8,
            color=INK,
            annotation_clip=False,
        )
        note.set_in_layout(False)  # a hundred labels would leave the axes no room
