"""Numbers and foreign text as the page and the Markdown file show them."""

from __future__ import annotations

import html
import re

from pixelcnn.statistics.summary import Summary

MISSING = "–"


def number(value: float | None, digits: int = 2) -> str:
    """A number with fixed decimals, or a dash."""
    return MISSING if value is None else f"{value:.{digits}f}"


def mean_sd(summary: Summary | None, digits: int = 2) -> str:
    """mean ± sample standard deviation; one seed has no spread to show."""
    if summary is None:
        return MISSING
    return f"{summary.mean:.{digits}f} {spread(summary, digits)}".rstrip()


def spread(summary: Summary | None, digits: int = 2) -> str:
    """± sample standard deviation; nothing where one seed gives none."""
    return "" if summary is None or summary.sd is None else f"± {summary.sd:.{digits}f}"


def interval(summary: Summary | None, digits: int = 2) -> str:
    """The 95 % t-interval in brackets; nothing where one seed gives none."""
    if summary is None or summary.low is None or summary.high is None:
        return ""
    return f"[{summary.low:.{digits}f}, {summary.high:.{digits}f}]"


def percent(summary: Summary | None) -> str:
    """A share as mean ± sample standard deviation, in percent."""
    if summary is None:
        return MISSING
    around = "" if summary.sd is None else f" ± {100 * summary.sd:.1f}"
    return f"{100 * summary.mean:.1f}{around} %"


def memory(size: float | None) -> str:
    """Bytes as MiB or GiB."""
    if size is None:
        return MISSING
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def thousands(count: int | None) -> str:
    """A whole number with thin spaces between thousands."""
    return MISSING if count is None else f"{count:,}".replace(",", "\u202f")


def signed(value: float | None, digits: int = 2) -> str:
    """A difference, always with its sign."""
    return MISSING if value is None else f"{value:+.{digits}f}".replace("-", "\u2212")


def duration(seconds: float) -> str:
    """A time in the units one would say it in."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def small_time(seconds: float | None) -> str:
    """A time of less than some seconds, in three digits."""
    if seconds is None:
        return MISSING
    unit, size = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e-3)) if seconds >= s), ("\u00b5s", 1e-6))
    return f"{seconds / size:.3g} {unit}"


def small_p(p: float | None) -> str:
    """A p with its sign of relation."""
    return MISSING if p is None else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def count(value: float | None) -> str:
    """A large number in three digits, with the sign of its thousands."""
    if value is None:
        return MISSING
    mark, size = next(((m, s) for m, s in (("G", 1e9), ("M", 1e6), ("k", 1e3)) if value >= s), ("", 1))
    return f"{value / size:.3g} {mark}".rstrip()


def markdown(text: object) -> str:
    """Foreign text in one line of GitHub's Markdown that it cannot format or break out of."""
    line = html.escape(" ".join(str(text).split()), quote=False)
    line = re.sub(r"([\\`*|\[\]~#$])", r"\\\1", line)
    # Between letters GitHub leaves an underscore alone, and names read better so.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", line)


def commit(name: str) -> str:
    """A commit's first 8 digits, and whether the code differed from it."""
    return name[:8] + ("-dirty" if name.endswith("-dirty") and len(name) > 8 else "")
