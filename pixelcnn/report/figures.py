"""The figures: NLL by seed, learning curves, quality against cost. All NLL in nats per image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from pixelcnn.report.collect import Run, Status
from pixelcnn.report.compare import VariantResult, far_off
from pixelcnn.report.style import CONTEXT, INK, MUTED, UNCONDITIONAL, WIDTH, Drawing, kind_colour, style

History = Sequence[Mapping[str, Any]]


def _off_axis_words(far: Sequence[VariantResult]) -> str:
    if not far:
        return ""
    values = ", ".join(f"{r.name} at {r.nll.mean:.2f}" for r in far if r.nll)
    return f" Off the axis, so that the others can be told apart: {values}."


# ------------------------------------------------------------------------------- NLL by seed


def nll_by_seed(results: Sequence[VariantResult]) -> Drawing | None:
    """Every seed as a dot, the mean and its 95 % t-interval, a row a variant in ranked order."""
    ranked = [r for r in results if r.nll]
    if not ranked:
        return None
    far = far_off(ranked)
    near = [r for r in ranked if r not in far]
    with style():
        figure = Figure(
            figsize=(WIDTH, 0.9 + (0.42 if len(results) <= 12 else 0.28) * len(results)), layout="constrained"
        )
        axes = figure.subplots()
        low, high = _nll_limits(near)
        axes.set_xlim(low, high)
        for row, result in enumerate(results):
            _draw_variant_row(axes, row, result, result in far)
        axes.set_ylim(len(results) - 0.4, -0.6)
        axes.set_yticks(range(len(results)), [r.name for r in results])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.set_xlabel("test NLL, −log p(x) in nats per image (lower is better)")
    clipped = any(_outside(r, low, high) for r in near)
    caption = (
        "Test NLL of every seed (dots), the mean over seeds (bar) and its 95 % t-interval (line), on the "
        "right mean ± standard deviation. Orange: conditional variants, label-marginalised to compare."
        + (" An interval that reaches the edge goes on beyond it." if clipped else "")
        + _off_axis_words(far)
    )
    alt = "Test NLL in nats per image, best first: " + "; ".join(f"{r.name} {_mean_sd(r)}" for r in ranked)
    return Drawing(figure, caption, alt)


def _nll_limits(near: Sequence[VariantResult]) -> tuple[float, float]:
    """Axis limits that show every seed; an interval may widen them only up to threefold."""
    values = [v for r in near for v in r.values("comparable_nll")]
    low, high = min(values), max(values)
    room = max(high - low, 0.01 * abs(high), 1e-6)
    lows = [r.nll.low for r in near if r.nll and r.nll.low is not None]
    highs = [r.nll.high for r in near if r.nll and r.nll.high is not None]
    wide_low = max(min([low, *lows]), low - room)
    wide_high = min(max([high, *highs]), high + room)
    margin = 0.06 * (wide_high - wide_low) or room
    return wide_low - margin, wide_high + margin


def _outside(result: VariantResult, low: float, high: float) -> bool:
    nll = result.nll
    return bool(nll and nll.low is not None and nll.high is not None and (nll.low < low or nll.high > high))


def _mean_sd(result: VariantResult) -> str:
    nll = result.nll
    if nll is None:
        return "no result"
    spread = "" if nll.sd is None else f" ± {nll.sd:.2f}"
    return f"{nll.mean:.2f}{spread} (n = {nll.n} of {result.expected})"


def _draw_variant_row(axes: Axes, row: int, result: VariantResult, off_axis: bool) -> None:
    nll, colour = result.nll, kind_colour(result.conditional)
    beside = axes.get_yaxis_transform()
    incomplete = result.n < result.expected
    axes.text(
        1.02,
        row,
        _mean_sd(result),
        transform=beside,
        va="center",
        fontsize=8.5,
        color=INK if nll else MUTED,
        fontweight="bold" if incomplete else "normal",
    )
    if nll is None:
        label = "no label-marginalised NLL" if result.n else "no finished run"
        axes.text(0.01, row, label, transform=beside, va="center", color=MUTED, style="italic")
        return
    if off_axis:
        label = f"off the axis, at {nll.mean:.2f} →"
        axes.text(0.99, row, label, transform=beside, va="center", ha="right", color=MUTED)
        return
    if nll.low is not None and nll.high is not None:
        axes.plot([nll.low, nll.high], [row, row], color=colour, lw=1.6, alpha=0.75, solid_capstyle="butt")
    if nll.n > 1:
        axes.plot([nll.mean], [row], marker="|", ms=15, mew=2.6, color=colour)
    values = result.values("comparable_nll")
    dots = {"s": 38, "color": colour, "alpha": 0.7, "edgecolor": "white", "linewidth": 0.7, "zorder": 3}
    sns.scatterplot(x=values, y=[row] * len(values), ax=axes, legend=False, **dots)


# --------------------------------------------------------------------------- learning curves


#: Trainings that have not come to their end.
GROWING = (Status.RUNNING, Status.INTERRUPTED)


def curves_of(run: Run) -> History:
    """The finished epochs of a run that follows the config, complete or still growing."""
    return run.history if run.status in (Status.FINISHED, Status.NOT_EVALUATED, *GROWING) else []


def _series(history: History, key: str) -> tuple[list[float], list[float]]:
    points = [(float(line["epoch"]), float(line[key])) for line in history if line.get(key) is not None]
    return [x for x, _ in points], [y for _, y in points]


def mean_curve(histories: Sequence[History], key: str = "valid_nll") -> tuple[list[float], list[float]]:
    """The mean over seeds, as far as every seed has come: a mean of fewer would jump."""
    curves = [dict(zip(*_series(history, key), strict=True)) for history in histories if history]
    if not curves:
        return [], []
    shared = sorted(set.intersection(*(set(curve) for curve in curves)))
    return shared, [float(np.mean([curve[epoch] for curve in curves])) for epoch in shared]


def _averaged(result: VariantResult) -> list[History]:
    """The curves that a mean is of: those of trained seeds, or before there are any, of growing ones."""
    curves = [(run, curves_of(run)) for run in result.variant.runs]
    trained = [curve for run, curve in curves if curve and run.status not in GROWING]
    return trained or [curve for _, curve in curves if curve]


def learning_curves(results: Sequence[VariantResult]) -> Drawing | None:
    """A panel a variant: validation NLL by epoch, each seed thin, their mean bold, training dashed."""
    histories = {r.name: [h for run in r.variant.runs if (h := curves_of(run))] for r in results}
    drawn = [r for r in results if histories[r.name]]
    if not drawn:
        return None
    columns = min(len(drawn), 3 if len(drawn) <= 9 else 5)
    rows = math.ceil(len(drawn) / columns)
    far = far_off(results)
    near = [h for r in drawn if r not in far for h in histories[r.name]]
    limits = _curve_limits(near or [h for hs in histories.values() for h in hs])
    with style():
        figure = Figure(figsize=(WIDTH, 0.5 + rows * (2.3 if columns <= 3 else 1.9)), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        averaged = {r.name: _averaged(r) for r in results}
        means = {name: mean_curve(own) for name, own in averaged.items()}
        for axes, result in zip(grid.flat, drawn, strict=False):
            for name, (x, y) in means.items():
                if name != result.name:
                    axes.plot(x, y, color=CONTEXT, lw=0.9, zorder=1)
            train = mean_curve(averaged[result.name], "train_nll")
            _draw_panel(axes, result, histories[result.name], means[result.name], train, limits)
        for axes in grid.flat[len(drawn) :]:
            axes.set_visible(False)
        for column in range(columns):
            lowest = grid[(len(drawn) - 1 - column) // columns, column]
            lowest.tick_params(labelbottom=True)
            lowest.set_xlabel("epoch")
        figure.supylabel("NLL, nats per image", fontsize=9.5)
    caption = (
        "Validation NLL by epoch: each seed thin, the mean of the trained ones bold, the "
        "other variants' means in grey. Dashed: mean training NLL, of the weights as they train; validation "
        "is of their running average. Conditional variants (orange): NLL given the label. First epochs may "
        "lie above the axis."
    )
    alt = f"Learning curves of {len(drawn)} variants: " + "; ".join(
        f"{r.name} reaches {min(y):.2f}" for r in drawn if (y := means[r.name][1])
    )
    return Drawing(figure, caption, alt)


def _curve_limits(histories: Sequence[History]) -> tuple[float, float]:
    """From the best value up to where the slowest curve is after its first fifth."""
    lows, highs = [], []
    for history in histories:
        _, valid = _series(history, "valid_nll")
        _, train = _series(history, "train_nll")
        valid = [v for v in valid if math.isfinite(v)]
        if valid:
            lows += [min(valid)] + [v for v in train[-1:] if math.isfinite(v)]
            highs.append(valid[min(len(valid) - 1, math.ceil(len(valid) / 5))])
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs + lows)
    room = max(high - low, 0.01 * abs(high), 1e-6)
    return low - 0.08 * room, high + 0.08 * room


def _draw_panel(
    axes: Axes,
    result: VariantResult,
    histories: Sequence[History],
    mean: tuple[list[float], list[float]],
    train: tuple[list[float], list[float]],
    limits: tuple[float, float],
) -> None:
    colour = kind_colour(result.conditional)
    axes.plot(*train, color=colour, lw=1.1, ls=(0, (3, 2)), alpha=0.8, zorder=2)
    for history in histories:
        axes.plot(*_series(history, "valid_nll"), color=colour, lw=0.7, alpha=0.55, zorder=3)
    marker = "o" if len(mean[0]) == 1 else ""
    axes.plot(*mean, color=colour, lw=2.0, marker=marker, ms=4, zorder=4)
    axes.set_ylim(*limits)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.set_title(result.name, fontsize=9)
    axes.grid(axis="y")
    ended = mean[1][-1] if mean[1] else None
    if ended is not None and ended > limits[1]:
        axes.text(
            0.5,
            0.94,
            f"at {ended:.1f}, above ↑",
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=8.5,
            color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
            zorder=5,
        )


def learning_curve(history: History, title: str) -> Figure:
    """Training and validation NLL by epoch of a single run, from its history lines."""
    with style():
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        marker = "o" if len(history) == 1 else ""
        for key, label, look in (
            ("train_nll", "training, current weights", {"color": MUTED, "lw": 1.2, "ls": "--"}),
            ("valid_nll", "validation, averaged weights", {"color": UNCONDITIONAL, "lw": 2.0}),
        ):
            x, y = _series(history, key)
            sns.lineplot(x=x, y=y, ax=axes, label=label, marker=marker, legend=False, **look)
        if history:
            axes.set_ylim(*_curve_limits([history]))
            axes.legend(frameon=False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("NLL, nats per image")
        axes.set_title(title)
        axes.grid(axis="y")
    return figure


# ----------------------------------------------------------------------- quality against cost


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
    return float(np.median(cost.sampling_seconds)) / cost.sampling_images if cost else None


def _step(result: VariantResult) -> float | None:
    cost = result.variant.cost
    return float(np.median(cost.step_seconds)) / cost.batch_size if cost else None


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


def _in_unit(values: Sequence[float], units: Sequence[tuple[str, float]]) -> tuple[list[float], str]:
    """The values in the largest unit that leaves the typical one at 1 or more, and its name."""
    typical = float(np.median(values))
    name, size = next(((n, s) for n, s in units if typical >= s), units[-1])
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
        grid[0, 0].set_ylim(*_nll_limits(near))
        for axes, (expense, shown) in zip(grid.flat, panels, strict=False):
            costs, unit = _in_unit([expense.amount(r) or 0.0 for r in shown], expense.units)
            _draw_cost(axes, shown, costs, expense.label + unit)
            drawn.append((axes, shown, costs))
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        figure.supylabel("test NLL, nats per image", fontsize=9.5)
        for axes, shown, costs in drawn:
            _label_points(figure, axes, shown, costs)
    keys = "labelled by name" if len(near) <= LABELLED else "labelled by rank as in the table"
    caption = (
        f"Mean test NLL (bar: 95 % t-interval) against what a variant costs; {keys}. Lower left is better. "
        "The grey line joins the variants that none beats in both (Pareto front, of means). Conditional "
        "variants (orange) are label-marginalised. Training time is that of the steps, while other runs may "
        "have run beside them; a step and sampling were timed by a job of their own." + _off_axis_words(far)
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


def _label_points(
    figure: Figure, axes: Axes, results: Sequence[VariantResult], costs: Sequence[float]
) -> None:
    """Names beside the points, moved apart vertically where they would overlap."""
    figure.draw_without_rendering()  # places are known only after the layout
    height = 11.0 * figure.dpi / 72
    to_pixels = axes.transData.transform
    points = [(to_pixels((c, r.nll.mean)), c, r) for r, c in zip(results, costs, strict=True) if r.nll]
    points.sort(key=lambda point: float(point[0][1]))
    taken: list[tuple[float, float, float]] = []  # left, right, y of the labels placed so far
    middle = float(np.mean(axes.bbox.intervalx))
    for (x, y), cost, result in points:
        text = result.name if len(results) <= LABELLED else str(result.rank)
        length = 5.2 * len(text) * figure.dpi / 72
        rightwards = x <= middle or x + length < axes.bbox.x1
        left, right = (x + 7, x + 7 + length) if rightwards else (x - 7 - length, x - 7)
        place = float(y)
        for other_left, other_right, other_y in sorted(taken, key=lambda other: other[2]):
            if left < other_right and right > other_left and abs(place - other_y) < height:
                place = other_y + height
        taken.append((left, right, place))
        points_per_pixel = 72 / figure.dpi  # offsets in points hold whatever resolution is saved
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
