"""Figures and grids of images: that they show their numbers and pixels."""

from __future__ import annotations

import io
import warnings

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from support.reports import Report

from pixelcnn.images.grids import by_class
from pixelcnn.report import style
from pixelcnn.report.figures.common import four_digits
from pixelcnn.report.figures.cost import pareto_front
from pixelcnn.report.figures.learning import learning_curve, mean_curve
from pixelcnn.report.grids import tile


def test_a_variant_far_off_is_told_and_not_drawn(mixed: Report) -> None:
    assert "Off the axis, so that the others can be told apart: independent at 91.00." in mixed.page


def test_a_grid_is_the_images_enlarged_pixel_by_pixel() -> None:
    images = np.array([[[[0, 3], [1, 2]]], [[[3, 3], [3, 3]]]], np.uint8)
    grid = tile("x", "", images, levels=4)
    pixels = np.asarray(Image.open(io.BytesIO(grid.png)))
    assert pixels.shape == (grid.height, grid.width)
    scale = 250  # two columns of two pixels fill about a thousand
    gap = (grid.width - 4 * scale) // 3
    first = pixels[gap : gap + 2 * scale, gap : gap + 2 * scale]
    expected = np.array([[0, 255], [85, 170]]).repeat(scale, 0).repeat(scale, 1)
    np.testing.assert_array_equal(first, expected)
    second = pixels[gap : gap + 2 * scale, 2 * gap + 2 * scale : 2 * gap + 4 * scale]
    assert (second == 255).all()


def test_colour_images_stay_in_colour() -> None:
    red = np.zeros((1, 3, 2, 2), np.uint8)
    red[:, 0] = 255
    grid = tile("x", "", red, levels=256)
    pixels = np.asarray(Image.open(io.BytesIO(grid.png)))
    assert tuple(pixels[grid.height // 2, grid.width // 2]) == (255, 0, 0)


def test_samples_go_through_the_classes() -> None:
    assert by_class([2, 0, 1, 0, 2, 1]) == [1, 2, 0, 3, 5, 4]


def test_a_learning_curve_draws_the_history() -> None:
    lines = [
        {"epoch": 1, "train_nll": 30.0, "valid_nll": 29.0},
        {"epoch": 2, "train_nll": 25.0, "valid_nll": 26.0},
    ]
    figure = learning_curve(lines, "a/b/seed0")
    train, valid = figure.axes[0].lines
    assert list(np.asarray(train.get_ydata())) == [30.0, 25.0]
    assert list(np.asarray(valid.get_xdata())) == [1, 2]
    assert list(np.asarray(valid.get_ydata())) == [29.0, 26.0]
    assert figure.axes[0].get_title(loc="left") == "a/b/seed0"


def test_a_learning_curve_of_no_epoch_yet_is_empty() -> None:
    assert all(len(line.get_xdata()) == 0 for line in learning_curve([], "a").axes[0].lines)  # type: ignore[arg-type]


def test_a_mean_curve_ends_where_the_first_seed_does() -> None:
    long = [{"epoch": e, "valid_nll": v} for e, v in ((1, 10.0), (2, 8.0), (3, 1.0))]
    short = [{"epoch": e, "valid_nll": v} for e, v in ((1, 12.0), (2, 9.0))]
    assert mean_curve([long, short]) == ([1.0, 2.0], [11.0, 8.5])


def test_the_front_is_of_those_that_none_beats_in_both() -> None:
    assert pareto_front([1, 2, 3, 4], [9, 7, 8, 5]) == [0, 1, 3]
    assert pareto_front([2, 1, 1], [5, 6, 5]) == [2]


def test_a_sign_that_a_font_lacks_is_taken_from_another(monkeypatch) -> None:
    monkeypatch.setattr(style, "_FONTS", ("cmr10", "DejaVu Sans"))  # which matplotlib brings
    with style.style(), warnings.catch_warnings(action="error"):
        figure = Figure()
        figure.text(0.5, 0.5, "10\N{SUPERSCRIPT SIX} multiply-adds")
        figure.savefig(io.BytesIO())


def test_a_large_amount_is_not_told_by_a_power_of_ten():
    assert [four_digits(value) for value in (0.25, 12.3456, 9999.0, 10000.0, 17880.4)] == [
        "0.25", "12.35", "9,999", "10,000", "17,880",
    ]  # fmt: skip
