"""What each variant does not use of a dependence on one pixel, by how far that pixel is away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from pixelcnn.config.random_field import Place
from pixelcnn.report.style import INK, MUTED, WIDTH, Drawing, style
from pixelcnn.report.truth import Truth, above_by_offset

PRICE = LinearSegmentedColormap.from_list("price", ["#ffffff", "#f6d9c7", "#d98752", "#8f3d12"])


def above_at_offsets(truth: Truth, answers: Mapping[Place, Sequence[Place]]) -> Drawing | None:
    """A row a variant, a column an offset; hatched where the offset's pixel is beyond the reach."""
    found = list(above_by_offset(truth, list(answers.values()))) if answers else []
    if not found:
        return None
    nats = np.array([row for _, row, _ in found])
    most = max(float(nats.max()), 1e-9)
    baselines = [float(row.mean()) for variant, row, _ in found if variant.baseline]
    nothing = f", {max(baselines):.2f} nothing" if baselines else ""
    with style():
        figure = Figure(figsize=(WIDTH, 0.36 * len(found) + 1.5), layout="constrained")
        axes = figure.subplots()
        axes.imshow(nats, cmap=PRICE, norm=Normalize(0, most), aspect="auto")
        for row, (_, values, seen) in enumerate(found):
            for column, value in enumerate(values):
                dark = value > 0.6 * most
                axes.text(
                    column, row, f"{value:.3f}", ha="center", va="center", fontsize=8.5,
                    color="white" if dark else INK,
                )  # fmt: skip
                if seen is not None and not seen[column]:
                    edge = "#e8b798" if dark else MUTED
                    axes.add_patch(_hatched((column - 0.5, row - 0.5), edge))
        axes.set_xticks(range(len(answers)), [_words(offset) for offset in answers], fontsize=8)
        axes.set_yticks(range(len(found)), [variant.name for variant, *_ in found])
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        axes.set_xticks(np.arange(len(answers) - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(len(found) - 1) + 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=2)
        axes.tick_params(which="minor", length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        figure.legend(
            handles=[Patch(facecolor="white", edgecolor=MUTED, hatch="////", label="beyond what it can see")],
            loc="outside lower left", frameon=False, fontsize=8,
        )  # fmt: skip
    caption = (
        "What each variant can use: nats above the truth at a pixel that copies the one at this offset (rows "
        "up, columns to the side), mean over these pixels, test images and seeds. 0 is to use all of "
        f"it{nothing}. Hatched: the pixel there is beyond the reach of the layers or in their blind "
        "spot, so it cannot be seen."
    )
    alt = "Nats above the truth by offset: " + "; ".join(
        f"{variant.name} " + ", ".join(f"{o} {v:.3f}" for o, v in zip(answers, row, strict=True))
        for variant, row, _ in found
    )
    return Drawing(figure, caption, alt, heat=True)


def _hatched(corner: tuple[float, float], colour: str) -> Rectangle:
    return Rectangle(corner, 1, 1, fill=False, hatch="////", linewidth=0, edgecolor=colour, alpha=0.7)


def _words(offset: Place) -> str:
    """An offset in words, on two lines."""
    down, right = offset
    up = f"{-down} up" if down else "same row"
    side = "same column" if not right else f"{abs(right)} {'right' if right > 0 else 'left'}"
    return f"{up}\n{side}"
