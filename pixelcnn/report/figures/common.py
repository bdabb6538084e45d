"""What several figures have in common: the axis of the NLL, and frames."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from pixelcnn.report.compare import VariantResult
from pixelcnn.report.style import MUTED
from pixelcnn.results.metric_table import RANKED_BY, metric


def off_axis_words(far: Sequence[VariantResult]) -> str:
    """What a caption says of variants that its axes leave out."""
    if not far:
        return ""
    values = ", ".join(f"{r.name} at {r.nll.mean:.2f}" for r in far if r.nll)
    return f" Off the axis, so that the others can be told apart: {values}."


def nll_limits(near: Sequence[VariantResult]) -> tuple[float, float]:
    """Axis limits that show every seed; an interval may widen them only up to threefold."""
    values = [v for r in near for v in r.values(metric(RANKED_BY))]
    low, high = min(values), max(values)
    room = max(high - low, 0.01 * abs(high), 1e-6)
    lows = [r.nll.low for r in near if r.nll and r.nll.low is not None]
    highs = [r.nll.high for r in near if r.nll and r.nll.high is not None]
    wide_low = max(min([low, *lows]), low - room)
    wide_high = min(max([high, *highs]), high + room)
    margin = 0.06 * (wide_high - wide_low) or room
    return wide_low - margin, wide_high + margin


def four_digits(value: float) -> str:
    """A number to four digits, or all of those before the point, and no power of ten for it."""
    return f"{value:,.4g}" if abs(value) < 9999.5 else f"{value:,.0f}"


def bare(axes: Axes) -> None:
    """Axes of a picture: a thin frame without ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=MUTED, linewidth=0.5)
