"""The comparison of a benchmark's runs: one page, its tables and its figures, from files alone."""

from pixelcnn.report.page import build_report

__all__ = ["build_report"]
