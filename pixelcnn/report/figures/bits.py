"""Where the bits go: by pixel, and by class of the image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from pixelcnn.report.arrays import load, mean_of_all
from pixelcnn.report.compare import VariantResult, far_off
from pixelcnn.report.figures.common import bare
from pixelcnn.report.pairs import nats_per_image
from pixelcnn.report.style import WIDTH, Drawing, style

BITS = sns.color_palette("mako_r", as_cmap=True)
DIFFERENCE = sns.color_palette("vlag", as_cmap=True)


def bits_by_pixel(results: Sequence[VariantResult]) -> Drawing | None:
    """Mean bits of each pixel, a panel a variant; below, the difference to the best variant."""
    found = [(r, bits) for r in results if (bits := _bits(r)) is not None]
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
                bare(axes)
            for axes in list(grid.flat)[len(pictures) :]:
                axes.set_visible(False)
            bar = part.colorbar(ScalarMappable(norm, colours), ax=grid, shrink=0.8, aspect=14, extend=extend)
            bar.set_label(label, fontsize=8)
            bar.ax.tick_params(labelsize=7.5)
    caption = (
        f"The mean bits that each pixel of a test image costs{_all_channels(*found[0])}, mean over seeds."
    )
    if reference is not None and others:
        caption += (
            f" Below: how many more (red) or fewer (blue) than with {reference[0].name}, the unconditional "
            "variant with the lowest NLL here."
        )
    if any(r.conditional for r, _ in found):
        caption += " *Given the label, which saves bits that the ranking counts."
    alt = "Bits by pixel: " + "; ".join(f"{r.name} {bits.sum():.1f} bits an image" for r, bits in found)
    return Drawing(figure, caption, alt, heat=True)


def _bits(result: VariantResult) -> np.ndarray | None:
    """Mean bits of each pixel [H, W] over the finished seeds; None unless each has them."""
    nats = mean_of_all(load(run.nats, "per_pixel") for run in result.variant.finished)
    return None if nats is None else nats / math.log(2)


def _all_channels(result: VariantResult, bits: np.ndarray) -> str:
    dims = next((run.metrics.dims for run in result.variant.finished if run.metrics), bits.size)
    return "" if dims == bits.size else f", its {dims // bits.size} channels together"


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
