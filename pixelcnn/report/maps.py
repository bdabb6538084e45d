"""Maps over the image: what each variant sees, and where its bits go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pixelcnn.report.arrays import load, mean_of_all
from pixelcnn.report.collect import Run
from pixelcnn.report.compare import VariantResult, far_off
from pixelcnn.report.pairs import nats_per_image
from pixelcnn.report.style import INK, MUTED, WIDTH, Drawing, style

BLIND = "#efc9b8"  # earlier pixels without any influence
LATER = "#eef0f2"  # pixels that come after: nothing may see them
INFLUENCE = LinearSegmentedColormap.from_list("influence", ["#dbe7f0", "#5b93bb", "#1f5f8b", "#0b2b44"])
BITS = sns.color_palette("mako_r", as_cmap=True)
DIFFERENCE = sns.color_palette("vlag", as_cmap=True)


def mean_over_seeds(result: VariantResult, path: Callable[[Run], Path | None], key: str) -> np.ndarray | None:
    """The mean of an array over all finished seeds; None unless each has it."""
    return mean_of_all(load(path(run), key) for run in result.variant.finished)


# ------------------------------------------------------------------------ what each variant sees


def receptive_fields(results: Sequence[VariantResult]) -> Drawing | None:
    """A panel a variant: how strongly each earlier pixel moves the prediction of the centre."""
    seen = [
        (result, reach, effective)
        for result in results
        if (reach := mean_over_seeds(result, _maps, "reach")) is not None
        and (effective := mean_over_seeds(result, _maps, "effective")) is not None
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


def _maps(run: Run) -> Path | None:
    return run.maps


def _nats(run: Run) -> Path | None:
    return run.nats


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
    _bare(axes)


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
        f"{first.reach_pixels} of {first.earlier_pixels} seen\n95 % from {effective:.0f}, radius {radius:.1f}"
    )


# --------------------------------------------------------------------------- where the bits go


def bits_by_pixel(results: Sequence[VariantResult]) -> Drawing | None:
    """Mean bits of each pixel, a panel a variant; below, the difference to the best variant."""
    found = [
        (r, m / math.log(2)) for r in results if (m := mean_over_seeds(r, _nats, "per_pixel")) is not None
    ]
    if not found:
        return None
    # A baseline many times worse would leave the others one shade.
    top = float(np.median([bits.max() for _, bits in found])) * 1.15
    scale = Normalize(0, top)
    # A conditional variant was told the label here: what others lack of that is no fault of theirs.
    reference = next(((r, bits) for r, bits in found if not r.conditional), None)
    others = []
    if reference is not None:
        others = [(r, bits - reference[1]) for r, bits in found if r is not reference[0]]
    far = far_off([r for r, _ in found])
    near = [float(np.quantile(abs(d), 0.99)) for r, d in others if r not in far]
    spread = max(near, default=0.0) or max((float(abs(d).max()) for _, d in others), default=0.0) or 1e-9
    halves = [(found, scale, BITS, "bits per pixel", "max")]
    if reference is not None and others:
        more = f"bits more than {reference[0].name}"
        halves.append((others, TwoSlopeNorm(0, -spread, spread), DIFFERENCE, more, "both"))
    with style():
        columns = min(len(found), 6)
        rows = math.ceil(len(found) / columns)
        figure = Figure(figsize=(WIDTH, len(halves) * (rows * 1.72 + 0.2)), layout="constrained")
        places = figure.add_gridspec(len(halves), 1)
        for place, (pictures, norm, colours, label, extend) in enumerate(halves):
            part = figure.add_subfigure(places[place])
            grid = part.subplots(rows, columns, squeeze=False)
            for axes, (result, picture) in zip(grid.flat, pictures, strict=False):
                axes.imshow(picture, norm=norm, cmap=colours, interpolation="nearest")
                axes.set_title(result.name + ("*" if result.conditional else ""), fontsize=8.5)
                _bare(axes)
            for axes in list(grid.flat)[len(pictures) :]:
                axes.set_visible(False)
            bar = part.colorbar(ScalarMappable(norm, colours), ax=grid, shrink=0.8, aspect=14, extend=extend)
            bar.set_label(label, fontsize=8)
            bar.ax.tick_params(labelsize=7.5)
    caption = "The mean bits that each pixel of a test image costs, mean over seeds."
    if reference is not None and others:
        caption += (
            f" Below: how many more (red) or fewer (blue) than with {reference[0].name}, the unconditional "
            "variant with the lowest NLL here."
        )
    if any(r.conditional for r, _ in found):
        caption += " *Given the label, which saves bits that the ranking counts."
    alt = "Bits by pixel: " + "; ".join(f"{r.name} {bits.sum():.1f} bits an image" for r, bits in found)
    return Drawing(figure, caption, alt, heat=True)


def nll_by_class(results: Sequence[VariantResult], labels: np.ndarray | None) -> Drawing | None:
    """Mean test NLL of the images of each class, a row a variant."""
    found = [(r, nats) for r in results if (nats := nats_per_image(r)) is not None]
    if labels is None or not found or any(len(nats) != len(labels) for _, nats in found):
        return None
    classes = np.unique(labels)
    if len(classes) > 30:
        return None
    table = np.array([[nats[labels == c].mean() for c in classes] for _, nats in found])
    shown = table - np.array([[nats.mean()] for _, nats in found])
    spread = float(np.quantile(abs(shown), 0.98)) or 1.0
    with style():
        figure = Figure(figsize=(WIDTH, 1.0 + 0.34 * len(found)), layout="constrained")
        axes = figure.subplots()
        sns.heatmap(
            shown,
            ax=axes,
            annot=table,
            fmt=".1f",
            cmap=DIFFERENCE,
            vmin=-spread,
            vmax=spread,
            xticklabels=classes,
            yticklabels=[r.name for r, _ in found],
            linewidths=1.5,
            annot_kws={"fontsize": 8},
            cbar_kws={"label": "nats from the variant's mean", "aspect": 12},
        )
        axes.tick_params(length=0, labelsize=8.5)
        axes.figure.axes[-1].tick_params(labelsize=7.5)
        axes.figure.axes[-1].yaxis.label.set_fontsize(8)
        axes.xaxis.label.set_fontsize(8.5)
        axes.set_yticklabels(axes.get_yticklabels(), rotation=0)
        axes.set_xlabel("class of the test image")
    caption = (
        "Mean test NLL of the images of each class, in nats per image, mean over seeds; conditional "
        "variants label-marginalised. Shade: more (red) or less (blue) than the variant's mean of all images."
    )
    alt = "NLL by class: " + "; ".join(
        f"{r.name}: " + ", ".join(f"{c}: {v:.1f}" for c, v in zip(classes, row, strict=True))
        for (r, _), row in zip(found, table, strict=True)
    )
    return Drawing(figure, caption, alt, heat=True)


# ------------------------------------------------------------------------------------ panels


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


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=MUTED, linewidth=0.5)
