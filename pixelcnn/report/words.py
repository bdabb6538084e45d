"""Numbers as sentences say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixelcnn.results.metric import Metric
from pixelcnn.statistics.comparisons import Comparison


@dataclass(frozen=True)
class InWords:
    """How sentences tell a metric: a factor for its values, the unit of these, and that of differences."""

    factor: float
    unit: str
    step: str


#: Times are told by their ratio.
SECONDS = InWords(1, "seconds", "times")


def in_words(metric: Metric) -> InWords:
    """Shares in percent, everything else as it is."""
    if metric.unit == "share":
        return InWords(100, "%", "percentage points")
    return InWords(1, metric.unit, metric.unit)


def lower_or_higher(value: float) -> str:
    """Where a difference lies."""
    return "lower" if value < 0 else "higher"


def amount(value: float, digits: int) -> str:
    """The size of a difference; one that would be rounded to nothing keeps a digit."""
    fixed = f"{abs(value):.{digits}f}"
    return f"{abs(value):.1g}" if value and not float(fixed) else fixed


def interval(d: Comparison, digits: int) -> str:
    """The simultaneous one, as sizes in the direction of the difference, or with words if its ends differ."""
    assert d.low is not None and d.high is not None
    near, far = sorted((d.low, d.high), key=abs)
    if d.low * d.high >= 0:
        return f"{amount(near, digits)} to {amount(far, digits)}"
    return f"{amount(d.low, digits)} lower to {amount(d.high, digits)} higher"


def n_words(d: Comparison) -> str:
    """How many seeds a difference is from."""
    first, second = d.n
    return f"n = {first}" if first == second else f"n = {first} and {second}"


def numbers(d: Comparison, digits: int) -> str:
    """What stands in brackets behind a difference: its interval and from how many seeds."""
    more = "; certain by the sharper step-down test alone" if d.stepwise else ""
    return f"95 % simultaneous interval {interval(d, digits)}, {n_words(d)}{more}"


def count_of(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def ordinal(count: int) -> str:
    """First, second, ..."""
    words = ("first", "second", "third", "fourth", "fifth")
    if count <= len(words):
        return words[count - 1]
    teen = count % 100 in (11, 12, 13)
    return f"{count}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(count % 10, 'th')}"


def p_words(p: float | None) -> str:
    """A p."""
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def seconds(value: float) -> str:
    """A time of some seconds or less."""
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def joined(words: Sequence[str], most: int = 4) -> str:
    """Words as a list in a sentence; what exceeds `most` is counted."""
    shown = list(words) if len(words) <= most else [*words[: most - 1], f"{len(words) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
