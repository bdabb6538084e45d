"""A report of a made-up benchmark, and what to read of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report import plates, style
from pixelcnn.report.page import build_report
from pixelcnn.results.folder import folder_of

T_2 = 4.302652729911275  # 97.5 % quantile of Student's t with 2 degrees of freedom

HOSTILE = 'RunFailed: NaN | <script>alert(1)</script> & "quotes"'


@dataclass
class Report:
    """A benchmark, and the report of it."""

    benchmark: Benchmark
    folder: Path

    @property
    def page(self) -> str:
        return (self.folder / "index.html").read_text(encoding="utf-8")

    @property
    def markdown(self) -> str:
        return (self.folder / "report.md").read_text(encoding="utf-8")

    @property
    def runs(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "metrics.csv").set_index(["variant", "seed"])

    @property
    def variants(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "comparison.csv").set_index("variant")


def report_of(made: Benchmark, *, figures: bool = False) -> Report:
    """The report; without `figures`, which take seconds to draw, each is the same empty picture."""
    with nullcontext() if figures else no_figures():
        return Report(made, build_report(folder_of(made).path).parent)


@contextmanager
def no_figures() -> Iterator[None]:
    """Reports made inside the block have empty pictures in the place of figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plates, "save", _save_nothing)
        yield


def _save_nothing(figure: Figure, stem: Path) -> str:
    """As `report.style.save`, but for the picture."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".svg"):
        stem.with_name(stem.name + suffix).touch()
    return style.data_uri(b"", "image/svg+xml")
