"""A report of a made-up benchmark, and what to read of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pixelcnn.config.benchmark import Benchmark
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


def report_of(made: Benchmark) -> Report:
    return Report(made, build_report(folder_of(made).path).parent)
