"""What each variant sees: maps of the receptive field."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pixelcnn.report.arrays import load, mean_of_all
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.figures.common import bare
from pixelcnn.report.style import INK, WIDTH, Drawing, style

BLIND = "#efc9b8"  # earlier pixels without any influence
LATER = "#eef0f2"  # pixels that come after: nothing may see them
INFLUENCE = LinearSegmentedColormap.from_list("influence", ["#dbe7f0", "#5b93bb", "#1f5f8b", "#0b2b44"])


def receptive_fields(results: Sequence[VariantResult]) -> Drawing | None:
    """A panel a variant: how strongly each earlier pixel moves the prediction of the centre."""
    seen = [
        (result, reach, effective)
        for result in results
        if (reach := _map(result, "reach")) is not None
        and (effective := _map(result, "effective")) is not None
    ]
    if not seen:
        return None
    strongest = max(effective.max() for _, _, effective in seen) or 1.0
    norm = PowerNorm(0.4, 0, strongest)
    with style():
        figure, panels = _panels(len(seen), 2.05)
        for axes, (result, reach, effective) in zip(panels, seen, strict=False):
            _draw_field(axes, reach > 0, effective, norm)
            axes.set_title(result.name, fontsize=8.5)
            axes.set_xlabel(_field_words(result), fontsize=7.5)
        _colour_bar(figure, norm, INFLUENCE, "share of the influence")
        patches = [
            Patch(color=BLIND, label="earlier, but without any influence"),
            Patch(color=LATER, label="later"),
        ]
        figure.legend(handles=patches, loc="outside lower left", ncols=2, frameon=False, fontsize=8)
    caption = (
        "Which earlier pixels influence the prediction of the centre pixel (dot). Shade: the share of each "
        "pixel in the gradient of the trained weights, averaged over test images and seeds (effective "
        "receptive field). Pixels before the centre that cannot influence it whatever the weights are "
        "reddish: beyond the range of the layers, or in a blind spot. Below: how many earlier pixels can "
        "influence it, how many of them hold 95 % of the influence, and their root mean square distance."
    )
    alt = "Receptive fields: " + "; ".join(f"{r.name}, {_field_words(r)}" for r, _, _ in seen)
    return Drawing(figure, caption, alt.replace("\n", ", "), heat=True)


def _map(result: VariantResult, key: str) -> np.ndarray | None:
    """The mean of a map over the finished seeds; None unless each has it."""
    return mean_of_all(load(run.maps, key) for run in result.variant.finished)


def _draw_field(axes: Axes, reach: np.ndarray, effective: np.ndarray, norm: Normalize) -> None:
    height, width = reach.shape
    order = np.arange(height * width).reshape(height, width)
    centre = (height // 2, width // 2)
    picture = np.empty((height, width, 4))
    picture[:] = _rgba(LATER)
    earlier = order < order[centre]
    picture[earlier] = _rgba(BLIND)
    picture[reach] = INFLUENCE(norm(effective))[reach]
    axes.imshow(picture, interpolation="nearest")
    axes.plot(centre[1], centre[0], "o", ms=3.5, color=INK)
    bare(axes)


def _rgba(colour: str) -> tuple[float, ...]:
    return (*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0)


def _field_words(result: VariantResult) -> str:
    analysed = [run.analysis for run in result.variant.finished if run.analysis]
    if not analysed:
        return ""
    first = analysed[0]
    if not first.reach_pixels:
        return "sees nothing"
    effective = np.mean([a.effective_pixels for a in analysed])
    radius = np.mean([a.effective_radius for a in analysed])
    return (
        f"{first.reach_pixels} of {first.earlier_pixels} seen\n95 % from {effective:.0f}\nradius {radius:.1f}"
    )


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(count, 6)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(WIDTH, rows * height + 0.3), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def _colour_bar(figure: Figure, norm: Normalize, colours: LinearSegmentedColormap, label: str) -> None:
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=figure.axes, shrink=0.75, aspect=18)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
