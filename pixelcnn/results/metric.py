"""What a metric is: a number of a run, its words, where it is read and where it goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pixelcnn.results.audit import Audit
from pixelcnn.results.records import Analysis, Metrics, Record

#: The record that a metric is read from, by its name in `RunRecords`.
Source = Literal["test", "training", "analysis", "history", "audit"]
#: A part of a summary over seeds.
Part = Literal["mean", "sd", "low", "high"]
#: A table of the report's page.
Table = Literal["results", "overfitting", "cost"]


@dataclass(frozen=True)
class RunRecords:
    """What a run left, as far as it is there; `conditional` says whether its model is given the label."""

    conditional: bool
    training: Record | None = None
    test: Metrics | None = None
    analysis: Analysis | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    audit: Audit | None = None


@dataclass(frozen=True)
class Spoken:
    """How findings speak of a metric: its `name`, and what they say of a variant that lacks it.

    With a `subject` they explain it, too: "The gap" becomes "The gap is MEANING."
    """

    name: str
    subject: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Tracked:
    """What MLflow shows of a metric.

    Attributes:
        name: its name there, if it is not the key: a series has the name already.
        width: pixels of its column in the table of runs that MLflow shows first; None: no column there.
        compared: what the benchmark's own run has of its summary over seeds, for each variant.
        from_start: whether it is known when a training starts, not only at its end.
        timing: whether it is another number whenever it is taken, so that the first one stands.
    """

    name: str | None = None
    width: int | None = None
    compared: tuple[Part, ...] = ()
    from_start: bool = False
    timing: bool = False


@dataclass(frozen=True)
class Metric:
    """A number of a run.

    Attributes:
        key: its name in the tables for machines.
        label: its heading; `small` is what stands in small print below it.
        unit: of its value. A "share" (0 to 1) is shown in percent, "seconds" and "bytes" in what fits.
        meaning: what comes after "This is ...".
        source: the record that it is read from.
        value: a function of the run's records, called where that record is there, or the name of the
            record's attribute, if it is not the key.
        better: which is better, if one is.
        digits: decimals shown; 0 for a whole number.
        counted: a share of things counted, which can be the same for two seeds by chance.
        conditional: shown on the page only for variants that are given the label.
        of_machine: a cost that another machine has otherwise: over seeds only those of one are summarized.
        per_run: a column of metrics.csv.
        summarized: columns of comparison.csv: mean, sd, low, high and n over seeds.
        tables: the tables of the page that have a column of it.
        spoken: how claims speak of it.
        tracked: what MLflow has of it; None: nothing.
    """

    key: str
    label: str
    unit: str
    meaning: str
    source: Source
    value: str | Callable[[RunRecords], float | None] | None = None
    better: Literal["lower", "higher"] | None = None
    digits: int = 2
    small: str = ""
    counted: bool = False
    conditional: bool = False
    of_machine: bool = False
    per_run: bool = True
    summarized: bool = True
    tables: tuple[Table, ...] = ()
    spoken: Spoken | None = None
    tracked: Tracked | None = field(default_factory=Tracked)

    def of(self, run: RunRecords) -> float | None:
        """Its value; None if the run has no such value, or one that is not finite."""
        record = getattr(run, self.source)
        if not record:
            return None
        found = self.value(run) if callable(self.value) else getattr(record, self.value or self.key)
        return None if found is None or not math.isfinite(found) else found
