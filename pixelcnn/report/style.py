"""How every figure looks: one palette, one type, and files that do not change from run to run."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import seaborn as sns
from matplotlib import font_manager
from matplotlib.figure import Figure

from pixelcnn.system.files import atomic

#: Colour says what kind of variant it is; names stand in words, so thirty variants need no more colours.
UNCONDITIONAL = "#1f5f8b"
CONDITIONAL = "#c0561f"
MUTED = "#68737d"
CONTEXT = "#d3d8dc"
INK = "#1d2329"
WIDTH = 9.2  # inches

_FONTS = ("Inter", "Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")


def kind_colour(conditional: bool) -> str:
    """The colour of a variant."""
    return CONDITIONAL if conditional else UNCONDITIONAL


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The look of the figures made inside the block; nothing outside it changes."""
    # Only fonts that are there: matplotlib logs a warning for each one it has to look for in vain.
    installed = set(font_manager.get_font_names())
    fonts = [font for font in _FONTS if font in installed]
    look = {
        **sns.axes_style("ticks"),
        **sns.plotting_context("paper", font_scale=1.1),
        "font.family": fonts,  # each by its name: what one lacks, such as raised digits, another may have
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlepad": 8,
        "figure.facecolor": "white",
        "figure.titlesize": 11,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "grid.color": "#e8ebed",
        "grid.linewidth": 0.8,
        "svg.hashsalt": "pixelcnn",  # else the ids in an SVG file are random
    }
    with mpl.rc_context(look):
        yield


@dataclass(frozen=True)
class Drawing:
    """A figure, the words below it, and the words for those who cannot see it."""

    figure: Figure
    caption: str
    alt: str
    heat: bool = False  # whether its shades have a meaning that a dark page must not turn round


def save(figure: Figure, stem: Path) -> str:
    """Write `stem`.png and `stem`.svg, each atomically; the SVG comes back as a data URI."""
    with style():
        with atomic(stem.with_name(stem.name + ".png")) as png:
            figure.savefig(png, dpi=160)
        figure.set_layout_engine("none")  # the SVG is laid out as the PNG is, which takes longer than drawing
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    with atomic(stem.with_name(stem.name + ".svg")) as svg:
        svg.write_bytes(stream.getvalue())
    return data_uri(stream.getvalue(), "image/svg+xml")


def data_uri(content: bytes, media_type: str) -> str:
    """`content` as an address that needs no file and no network."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
