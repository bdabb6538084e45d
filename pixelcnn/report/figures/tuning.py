"""The trials of a tuning: validation NLL against a value that was tried, a panel a variant."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from pixelcnn.config.tuned import TunedVariant
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.style import CONTEXT, INK, MUTED, WIDTH, Drawing, kind_colour, style
from pixelcnn.report.tuned import key_words, keys_of, number_of
from pixelcnn.report.words import joined

#: Values that get a tick each; of more the axis chooses some.
TICKS = 5
#: Two ticks with words lie at least this share of the axis apart.
ROOM = 0.2
#: From this ratio of the largest value to the smallest on, the axis is logarithmic.
LOG_FROM = 4
#: A trial is above the axis if it lies so many times as far above its variant's best as the median trial.
FAR = 5
#: Where in the height of a panel the marks of trials stand that are above its axis, or failed.
MARKS = 0.87

Tuned = Mapping[str, TunedVariant]


def numeric_keys(tuned: Tuned) -> list[str]:
    """The keys that an axis can have: of numbers alone, and more than one of them."""
    values = {key: [number_of(value) for value in _values(tuned, key)] for key in keys_of(tuned.values())}
    return [key for key, own in values.items() if None not in own and len(set(own)) > 1]


def _values(tuned: Tuned, key: str) -> list[Any]:
    """What was tried of a key by all variants that have it."""
    trials = (trial for found in tuned.values() for trial in found.trials)
    return [trial.values[key] for trial in trials if key in trial.values]


def _ended(found: TunedVariant) -> list[float]:
    """The NLL of every trial that has one."""
    return [trial.valid_nll for trial in found.trials if trial.valid_nll is not None]


@dataclass(frozen=True)
class _Range:
    """The NLLs that panels show: those `near` share an axis, others have one of the same height."""

    low: float
    height: float
    near: list[str]

    def of(self, name: str, found: TunedVariant) -> tuple[float, float, float]:
        """The ends of an axis, and what is too high for it: above that there is room for words and marks."""
        low = self.low if name in self.near else min(_ended(found))
        return low - 0.1 * self.height, low + 1.33 * self.height, low + 1.07 * self.height


def _range(tuned: Tuned) -> _Range:
    """Such that a diverged trial, or a variant far off, does not squash the others."""
    best = {name: min(_ended(found)) for name, found in tuned.items()}
    above = [nll - best[name] for name, found in tuned.items() for nll in _ended(found)]
    far, low = FAR * statistics.median(above), min(best.values())
    room = max(max(one for one in above if one <= far), 1e-3 * abs(low), 1e-6)
    near = [name for name in tuned if best[name] <= low + room]
    return _Range(low, max(best[name] for name in near) - low + room, near)


def trials_by(key: str, results: Sequence[VariantResult], tuned: Tuned) -> Drawing | None:
    """Every trial's best validation NLL against its value of a key; None if no variant has it."""
    own = {r.name: tuned[r.name] for r in results if r.name in tuned and key in tuned[r.name].keys}
    if not own:
        return None
    shown = _range(own)
    drawn = sorted((r for r in results if r.name in own), key=lambda r: r.name not in shown.near)
    columns = min(len(drawn), 3 if len(drawn) <= 9 else 5)
    rows = math.ceil(len(drawn) / columns)
    with style():
        size = (WIDTH, 0.9 + rows * (2.1 if columns <= 3 else 1.7))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(drawn):
                axes.set_visible(False)
                continue
            name = drawn[place].name
            bottom, top, too_high = shown.of(name, own[name])
            axes.set_ylim(bottom, top)
            axes.set_yticks(
                [t for t in MaxNLocator(4).tick_values(bottom, too_high) if bottom < t < too_high]
            )
            _frame(axes, key, own)
            others = [n for n in shown.near if n != name] if name in shown.near else []
            _context(axes, key, [own[n] for n in others], too_high)
            _panel(axes, key, drawn[place], own[name], too_high)
            axes.tick_params(labelleft=place % columns == 0 or name not in shown.near)
            axes.tick_params(labelbottom=place + columns >= len(drawn))
        figure.supxlabel(key_words(key), fontsize=9.5)
        figure.supylabel("validation NLL, nats per image", fontsize=9.5)
        figure.legend(handles=_legend(), loc="outside upper center", ncols=5, frameon=False, fontsize=8.5)
    alt = "; ".join(
        f"{r.name} {own[r.name].choice.valid_nll:.2f} at {own[r.name].choice.values[key]:g}" for r in drawn
    )
    alt = f"Validation NLL of the trials of {len(drawn)} variants by {key_words(key)}, chosen: {alt}"
    return Drawing(figure, _caption(key, own, shown), alt)


def _frame(axes: Axes, key: str, tuned: Tuned) -> None:
    """The axes of a panel: the same values for all."""
    values = sorted(set(_values(tuned, key)))
    if values[0] > 0 and (values[-1] >= LOG_FROM * values[0] or key == "training.learning_rate"):
        axes.set_xscale("log")
        room = max(values[-1] / values[0], 1.1) ** 0.08
        axes.set_xlim(values[0] / room, values[-1] * room)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if values[-1] < 300 * values[0] else (1,)))
    else:
        room = 0.08 * (values[-1] - values[0]) or 1
        axes.set_xlim(values[0] - room, values[-1] + room)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    if len(values) <= TICKS:
        axes.xaxis.set_major_locator(FixedLocator(_apart(axes, values)))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.grid(axis="y")


def _tick(value: float, place: int | None = None) -> str:
    """A fraction in three digits, which fit beside each other, a larger number in all that are needed."""
    return f"{value:.3g}" if abs(value) < 1 else f"{value:g}"


def _apart(axes: Axes, values: Sequence[float]) -> list[float]:
    """Of values in rising order those with room for their words; their axis is set."""
    shown: list[float] = []
    last = -math.inf
    places = axes.transAxes.inverted().transform(axes.transData.transform([(value, 0) for value in values]))
    for value, (place, _) in zip(values, places, strict=True):
        if place - last >= ROOM:
            shown.append(value)
            last = place
    return shown


def _points(found: TunedVariant, key: str, too_high: float) -> tuple[list[float], list[float]]:
    """The value and the NLL of every trial on the axis, by value."""
    points = sorted((t.values[key], t.valid_nll) for t in found.trials if t.valid_nll is not None)
    return [x for x, y in points if y <= too_high], [y for _, y in points if y <= too_high]


def _context(axes: Axes, key: str, others: Sequence[TunedVariant], too_high: float) -> None:
    for found in others:
        x, y = _points(found, key, too_high)
        axes.plot(x, y, ls="", marker="o", ms=3.5, color=CONTEXT, mec="none", zorder=1)


def _panel(axes: Axes, key: str, result: VariantResult, found: TunedVariant, too_high: float) -> None:
    colour = kind_colour(result.conditional)
    if found.keys == [key]:  # else the other values move a trial, too
        axes.plot(*_points(found, key, too_high), color=colour, lw=0.9, alpha=0.6, zorder=2)
    for trial in found.trials:
        x, nll = trial.values[key], trial.valid_nll
        if nll is None or nll > too_high:
            marker = "x" if nll is None else "^"
            axes.plot([x], [MARKS], transform=axes.get_xaxis_transform(), marker=marker, ms=5.5, color=colour)
            continue
        marker, above = ("s", 4) if trial.number == 0 else ("o", 3)
        axes.plot([x], [nll], marker=marker, ms=5, color=colour, mec="white", mew=0.5, zorder=above)
        if trial.number == found.chosen:
            axes.plot([x], [nll], marker="o", ms=10, mfc="none", mec=INK, mew=1.2, zorder=5)
    axes.set_title(result.name, fontsize=9)
    _say_what_is_at_the_edge(axes, found, too_high)


def _say_what_is_at_the_edge(axes: Axes, found: TunedVariant, too_high: float) -> None:
    """How many and how far, above their marks."""
    above = [nll for nll in _ended(found) if nll > too_high]
    failed = len(found.trials) - len(_ended(found))
    words = [f"{failed} failed"] if failed else []
    if above:
        worst = f"{max(above):.1f}" if max(above) < 1e5 else f"{max(above):.0e}"
        words.insert(0, f"above: {worst}" if len(above) == 1 else f"{len(above)} above, to {worst}")
    axes.text(
        0.98, 1, ", ".join(words), transform=axes.transAxes, ha="right", va="top", fontsize=8, color=INK
    )


def _legend() -> list[Line2D]:
    looks: dict[str, dict[str, Any]] = {
        "trial": {"marker": "o", "ms": 5, "mec": "white", "color": MUTED},
        "the recipe as written": {"marker": "s", "ms": 5, "mec": "white", "color": MUTED},
        "chosen": {"marker": "o", "ms": 10, "mfc": "none", "mec": INK},
        "above the axis": {"marker": "^", "ms": 5.5, "color": MUTED},
        "failed": {"marker": "x", "ms": 5.5, "color": MUTED},
    }
    return [Line2D([], [], ls="", label=label, **look) for label, look in looks.items()]


def _caption(key: str, tuned: Tuned, shown: _Range) -> str:
    own = [name for name in tuned if name not in shown.near]
    caption = (
        f"Best validation NLL of each trial, mean over the tuning’s seeds, against its {key_words(key)}; "
        "in grey the trials of the other variants. A flat panel is a variant to which it hardly matters, a "
        "steep one is sensitive to it"
    )
    if any(len(found.keys) > 1 for found in tuned.values()):
        caption += ", a scattered one to the other values, which change from trial to trial, too"
    if own:
        verb = "has an axis of its own" if len(own) == 1 else "have axes of their own"
        caption += f". {joined(own)} {verb}, as high in nats as that of the others"
    return caption + "."
