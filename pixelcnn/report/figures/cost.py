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
from pixelcnn.report.figures.common import four_digits, nll_limits, off_axis_words
from pixelcnn.report.figures.names import GAP, Point, places
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
        f"{expense.label}: " + ", ".join(f"{r.name} {four_digits(expense.amount(r) or 0.0)}" for r in shown)
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
        width = (high - low) or 0.1 * high or 1.0
        axes.set_xlim(max(0.0, low - 0.3 * width), high + 0.45 * width)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: four_digits(value)))
    axes.set_xlabel(label, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid()
    axes.set_axisbelow(True)


def _label_points(axes: Axes, results: Sequence[VariantResult], costs: Sequence[float], dpi: float) -> None:
    """Names beside the points, with a line to one whose own height was not free; `dpi` is the figure's."""

    def in_points(cost: float, nll: float) -> tuple[float, float]:
        x, y = axes.transData.transform((cost, nll)) * 72 / dpi  # which hold whatever resolution is saved
        return float(x), float(y)

    shown = [(result, result.nll, cost) for result, cost in zip(results, costs, strict=True) if result.nll]
    texts = [result.name if len(results) <= LABELLED else str(result.rank) for result, _, _ in shown]
    points = []
    for text, (_, nll, cost) in zip(texts, shown, strict=True):
        low, high = (in_points(cost, nll.mean if end is None else end)[1] for end in (nll.low, nll.high))
        points.append(Point(*in_points(cost, nll.mean), 5.2 * len(text), low, high))
    (left, bottom), (right, top) = axes.bbox.get_points() * 72 / dpi
    found = places(points, 11.0, (float(left), float(right)), (float(bottom), float(top)))
    for text, (_, nll, cost), point, place in zip(texts, shown, points, found, strict=True):
        away = place.y - point.y
        line = {"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 0, "shrinkB": 3}
        note = axes.annotate(
            text,
            (cost, nll.mean),
            xytext=(GAP if place.rightwards else -GAP, away),
            textcoords="offset points",
            ha="left" if place.rightwards else "right",
            va="center",
            fontsize=8,
            color=INK,
            annotation_clip=False,
            arrowprops=line | {"relpos": (0 if place.rightwards else 1, 0.5)} if away else None,
        )
        note.set_in_layout(False)  # a hundred labels would leave the axes no room
