"""Learning curves: of all variants, and of a single run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pixelcnn.report.collect import Run, Status
from pixelcnn.report.compare import VariantResult, far_off
from pixelcnn.report.style import CONTEXT, INK, MUTED, UNCONDITIONAL, WIDTH, Drawing, kind_colour, style
from pixelcnn.report.words import count_of

History = Sequence[Mapping[str, Any]]

#: Trainings that have not come to their end.
GROWING = (Status.RUNNING, Status.INTERRUPTED)


def curves_of(run: Run) -> History:
    """The history of a run that follows the config, complete or still growing."""
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


def _in_whole_epochs(histories: Iterable[History]) -> bool:
    return all(float(line["epoch"]).is_integer() for history in histories for line in history)


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
    every = [h for hs in histories.values() for h in hs]
    limits = _curve_limits(near or every)
    whole = _in_whole_epochs(every)
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
            axes.xaxis.set_major_locator(MaxNLocator(integer=whole, nbins=5))
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
    ) + ("" if whole else " A fraction of an epoch is that part of a pass over the training images.")
    alt = f"Learning curves of {count_of(len(drawn), 'variant')}: " + "; ".join(
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
        axes.xaxis.set_major_locator(MaxNLocator(integer=_in_whole_epochs([history])))
        axes.set_xlabel("epoch")
        axes.set_ylabel("NLL, nats per image")
        axes.set_title(title)
        axes.grid(axis="y")
    return figure
