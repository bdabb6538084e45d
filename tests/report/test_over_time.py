"""Quality over time: when a level is reached, and what the figure draws."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from support.reports import Report

from pixelcnn.report.collect import collect
from pixelcnn.report.compare import VariantResult, rank
from pixelcnn.report.figures.over_time import apart, quality_over_time
from pixelcnn.report.progress import Curve
from pixelcnn.report.reaching import Reached, reached, round_levels
from pixelcnn.results.folder import folder_of


def curve(seconds: list[float], nll: list[float]) -> Curve:
    return Curve(np.arange(1.0, len(nll) + 1), np.array(seconds), np.array(nll))


def results_of(report: Report) -> list[VariantResult]:
    return rank(collect(folder_of(report.benchmark).path).datasets[0])


def test_a_level_is_reached_between_validations() -> None:
    seeds = [
        curve([10, 20, 30], [8, 6, 7]),  # at 15 s, and its rise after that is nothing to it
        curve([10, 30, 50], [9, 7.5, 5]),
        curve([10, 20, 30], [9, 8, 7.5]),
    ]
    assert reached(seeds[:1], 7) == Reached(15, 1, 1)
    assert reached(seeds, 7) == Reached(pytest.approx((15 + 34) / 2), 2, 3)
    assert reached(seeds, 4.9) == Reached(None, 0, 3)
    assert reached(seeds[:1], 8) == Reached(10, 1, 1, at_most=True)


def test_levels_are_round_and_between_the_ends() -> None:
    assert round_levels(108.3, 110.7) == ([110.5, 109.5, 108.5], 1)  # five halves: every other one
    assert round_levels(24.2, 25.4) == ([25.4, 25.0, 24.6, 24.2], 1)
    assert round_levels(810, 3900) == ([3000, 2000, 1000], 0)
    assert round_levels(24.0, 24.0) == ([], 0)


def test_the_table_has_the_seconds_to_each_level(whole: Report) -> None:
    part = whole.markdown.partition("### Over time")[2].partition("![")[0]
    levels = [float(level) for level in re.findall(r"time to ([\d.]+)", part)]
    assert 3 <= len(levels) <= 4
    rows = {line.split(" | ")[0].strip("| "): line for line in part.splitlines() if line.startswith("| ")}
    assert list(rows)[-1] == r"gated-conditional\*", "what is given the label stands apart"
    assert "–" in rows["independent"] and "*The validation NLL" in whole.page
    pixelsnail = next(r for r in results_of(whole) if r.name == "pixelsnail")
    fine = np.linspace(0, 1, 200_001)
    for place, level in enumerate(levels, 1):
        times = []
        for run in pixelsnail.variant.runs:
            seconds, nll = np.array([[h["seconds"], h["valid_nll"]] for h in run.history]).T
            at = seconds[0] + fine * (seconds[-1] - seconds[0])
            under = np.interp(at, seconds, nll) <= level
            times += [at[under.argmax()]] if under.any() else []
        minutes, seconds_over = divmod(round(float(np.median(times))), 60)
        assert f"{minutes} min {seconds_over} s" in rows["pixelsnail"].split("|")[place + 1]


def test_the_figure_draws_mean_range_and_work(whole: Report) -> None:
    results = [r for r in results_of(whole) if r.name in ("gated", "pixelsnail")]
    drawing = quality_over_time(results)
    assert drawing is not None
    histories = [[h["valid_nll"] for h in run.history] for run in results[0].variant.runs]
    left, right = drawing.figure.axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), np.mean(histories, axis=0))
    band = left.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (np.min(histories), np.max(histories))
    multiply_adds = [3 * 3_000_000 * len(results[0].name) * 200 * epoch for epoch in range(1, 13)]
    np.testing.assert_allclose(np.asarray(right.lines[0].get_xdata()) * 1e9, multiply_adds)
    assert [text.get_text() for text in left.texts] == ["pixelsnail", "gated"]
    assert "(minutes)" in left.get_xlabel() and "(10⁹)" in right.get_xlabel()


def test_of_many_variants_ten_are_named_with_the_cheapest_among_them(whole: Report) -> None:
    best, cheap = (next(r for r in results_of(whole) if r.name == n) for n in ("pixelsnail", "gated"))
    many = [replace(best, variant=replace(best.variant, name=f"v{i}")) for i in range(11)]
    drawing = quality_over_time([*many, cheap])
    assert drawing is not None
    for axes in drawing.figure.axes:
        assert [text.get_text() for text in axes.texts] == [*(f"v{i}" for i in range(9)), "gated"]
    assert "10 of 12 variants are named" in drawing.caption


def test_labels_keep_their_distance_and_their_order() -> None:
    wanted = [0.5, 0.02, 0.51, 0.0, 0.9]
    places = apart(wanted, 0.1)
    assert places == pytest.approx([0.455, 0.1, 0.555, 0.0, 0.9])
