"""NLL by seed, a row a variant."""

from __future__ import annotations

from collections.abc import Sequence

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pixelcnn.report.compare import VariantResult, far_off
from pixelcnn.report.figures.common import nll_limits, off_axis_words
from pixelcnn.report.style import INK, MUTED, WIDTH, Drawing, kind_colour, style
from pixelcnn.results.metric_table import RANKED_BY, metric

#: Rows of the figure; of many more variants it shows the best.
ROWS, MOST = 16, 20


def nll_by_seed(results: Sequence[VariantResult]) -> Drawing | None:
    """Every seed as a dot, the mean and its 95 % t-interval, a row a variant in ranked order."""
    every = len(results)
    results = results if every <= MOST else results[:ROWS]
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
        low, high = nll_limits(near)
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
        + off_axis_words(far)
        + (
            f" The {len(results)} best of {every} variants; the table has all."
            if every > len(results)
            else ""
        )
    )
    alt = "Test NLL in nats per image, best first: " + "; ".join(f"{r.name} {_mean_sd(r)}" for r in ranked)
    return Drawing(figure, caption, alt)


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
    values = result.values(metric(RANKED_BY))
    dots = {"s": 38, "color": colour, "alpha": 0.7, "edgecolor": "white", "linewidth": 0.7, "zorder": 3}
    sns.scatterplot(x=values, y=[row] * len(values), ax=axes, legend=False, **dots)
