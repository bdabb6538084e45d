"""Numbers as sentences say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixelcnn.results.metric import Metric
from pixelcnn.statistics.differences import Difference


@dataclass(frozen=True)
class InWords:
    """How sentences tell a metric: a factor for its values, the unit of these, and that of differences."""

    factor: float
    unit: str
    step: str


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


def interval(d: Difference, digits: int) -> str:
    """As sizes in the direction of the difference, or with words where the ends have different ones."""
    assert d.low is not None and d.high is not None
    near, far = sorted((d.low, d.high), key=abs)
    if d.low * d.high >= 0:
        return f"{amount(near, digits)} to {amount(far, digits)}"
    return f"{amount(d.low, digits)} lower to {amount(d.high, digits)} higher"


def seeds_of(d: Difference) -> str:
    """How many seeds a difference is from."""
    first, second = d.n
    if d.paired:
        return f"paired over {count_of(first, 'seed')}"
    return f"{count_of(first, 'seed')} each" if first == second else f"{first} and {second} seeds"


def count_of(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def p_words(p: float | None) -> str:
    """A p."""
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def corrected(d: Difference, tests: int) -> str:
    """The p of a difference, and what it is corrected for."""
    return f"{p_words(d.p_holm)} corrected for {tests} tests" if tests > 1 else p_words(d.p_holm)


def seconds(value: float) -> str:
    """A time of some seconds or less."""
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def joined(words: Sequence[str], most: int = 4) -> str:
    """Words as a list in a sentence; what exceeds `most` is counted."""
    shown = list(words) if len(words) <= most else [*words[: most - 1], f"{len(words) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
