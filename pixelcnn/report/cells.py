"""Metrics over seeds as the tables of the page show them."""

from __future__ import annotations

from dataclasses import dataclass

from pixelcnn.report import text
from pixelcnn.report.compare import VariantResult
from pixelcnn.results.metric import Metric, Table
from pixelcnn.results.metric_table import METRICS


@dataclass(frozen=True)
class Cell:
    """A metric of a variant: the value to sort by, what is shown and in small print below, all in a line."""

    value: float | str = ""
    shown: str = text.MISSING
    below: str | None = None
    line: str = text.MISSING


def columns(*tables: Table, conditional: bool = True) -> list[Metric]:
    """The metrics with a column in one of these tables; unless `conditional`, without those of a label."""
    wanted = [m for m in METRICS if any(table in m.tables for table in tables)]
    return [m for m in wanted if conditional or not m.conditional]


def cell(metric: Metric, result: VariantResult) -> Cell:
    """What stands in the column of a metric."""
    summary = result.summaries.get(metric.key)
    if summary is None or (metric.conditional and not result.conditional):
        return Cell()
    mean = summary.mean
    if metric.unit == "share":
        return _plain(mean, text.percent(summary))
    if metric.unit == "seconds":
        return _plain(mean, text.duration(mean))
    if metric.unit == "bytes":
        return _plain(mean, text.memory(mean))
    if metric.digits == 0:
        return _plain(round(mean), text.thousands(round(mean)))
    line = text.mean_sd(summary, metric.digits)
    if metric.digits > 3:  # too wide for one line
        return Cell(mean, text.number(mean, metric.digits), text.spread(summary, metric.digits), line)
    return Cell(mean, line, text.interval(summary, metric.digits), line)


def _plain(value: float, shown: str) -> Cell:
    return Cell(value, shown, line=shown)


def explained(metric: Metric) -> str:
    """What a column of means over seeds shows."""
    over = "; mean over seeds" if metric.digits else ""
    better = f". {metric.better.capitalize()} is better" if metric.better else ""
    return f"{metric.meaning[0].upper()}{metric.meaning[1:]}{over}{better}"
