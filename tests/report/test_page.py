"""The comparison report, through its one door and the files it leaves."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.images.grids import by_class
from pixelcnn.report.figures import learning_curve, mean_curve, pareto_front
from pixelcnn.report.grids import tile
from pixelcnn.report.page import build_report
from pixelcnn.system.code_digest import code_digest
from pixelcnn.system.errors import UserError

T_2 = 4.302652729911275  # 97.5 % quantile of Student's t with 2 degrees of freedom

HOSTILE = 'RunFailed: NaN | <script>alert(1)</script> & "quotes"'


@dataclass
class Report:
    """A benchmark, and the report of it."""

    benchmark: Benchmark
    folder: Path

    @property
    def page(self) -> str:
        return (self.folder / "index.html").read_text()

    @property
    def markdown(self) -> str:
        return (self.folder / "report.md").read_text()

    @property
    def runs(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "metrics.csv").set_index(["variant", "seed"])

    @property
    def variants(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "comparison.csv").set_index("variant")


def report_of(made: Benchmark) -> Report:
    return Report(made, build_report(made.directory).parent)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A benchmark in the middle of its work, with everything that can go wrong in it."""
    made = made_up.benchmark(
        tmp_path_factory.mktemp("mixed"),
        title="Models & <i>more</i>",
        note="A budget of minutes.",
        tracking={"uri": "postgresql://me:secret@host/db"},
        variants={
            "independent": {"model": "independent"},
            "plain": {"model": "pixelcnn"},
            "told": {"model": "pixelcnn", "conditional": True},
            "broken": {"model": "gated_pixelcnn"},
            "absent": {"model": "pixelsnail"},
        },
    )
    for seed, nll in enumerate((20.0, 20.2, 20.7)):
        precision = "bfloat16" if seed == 2 else "float32"
        made_up.write_run(
            made, made.run("digits", "plain", seed), nll=nll, record_values={"precision": precision}
        )
    for seed, nll in enumerate((20.1, 20.3)):
        made_up.write_run(
            made, made.run("digits", "told", seed), nll=nll, record_values={"commit": "abc-dirty"}
        )
    stale = made.run("digits", "told", 2)
    stale = replace(stale, training=replace(stale.training, learning_rate=0.5))
    made_up.write_run(made, stale, nll=1.0)
    for seed in range(3):
        made_up.write_run(made, made.run("digits", "independent", seed), nll=90.0 + seed)
    failed, running, unread = (made.run("digits", "broken", seed) for seed in range(3))
    made_up.write_run(made, failed, status="failed", record_values={"error": HOSTILE})
    silent = made_up.write_run(made, running, status="running")
    os.utime(silent / "record.json", (1e9, 1e9))
    (made_up.write_run(made, unread) / "metrics.json").write_text("{")
    made_up.write_run(made, replace(stale, variant_name="forgotten"))
    return report_of(made)


# ------------------------------------------------------------------------------------ numbers


def test_means_and_intervals_are_those_of_the_seeds(mixed: Report) -> None:
    row = mixed.variants.loc["plain"]
    sd = math.sqrt((0.3**2 + 0.1**2 + 0.4**2) / 2)
    assert row["nll_mean"] == pytest.approx(20.3)
    assert row["nll_sd"] == pytest.approx(sd)
    assert row["nll_low"] == pytest.approx(20.3 - T_2 * sd / math.sqrt(3))
    assert row["nll_high"] == pytest.approx(20.3 + T_2 * sd / math.sqrt(3))
    assert (row["n"], row["expected"]) == (3, 3)
    assert f"{20.3:.2f} ± {sd:.2f}" in mixed.page


def test_a_conditional_variant_is_ranked_by_its_marginalised_nll(mixed: Report) -> None:
    told, plain = mixed.variants.loc["told"], mixed.variants.loc["plain"]
    assert told["nll_mean"] == pytest.approx(20.2)  # below plain's 20.3, but given the label
    assert told["comparable_nll_mean"] == pytest.approx(20.6)
    assert told["comparable_bits_per_dim_mean"] == pytest.approx(20.6 / 196 / math.log(2))
    assert (plain["rank"], told["rank"]) == (1, 2)
    assert pd.isna(plain["marginal_nll_mean"]) and plain["comparable_nll_mean"] == plain["nll_mean"]
    assert mixed.page.index('data-value="plain">') < mixed.page.index('data-value="told">')


def test_only_finished_runs_of_the_present_config_enter_a_mean(mixed: Report) -> None:
    told = mixed.variants.loc["told"]
    assert (told["n"], told["expected"]) == (2, 3)  # the outdated run, with its NLL of 1, does not count
    assert pd.isna(mixed.runs.loc[("told", 2), "nll"])
    assert "2 of 3" in mixed.page


def test_every_expected_run_is_a_row_with_its_status(mixed: Report) -> None:
    status = mixed.runs["status"]
    assert len(status) == 15
    assert [status["broken", seed] for seed in range(3)] == ["failed", "running", "damaged"]
    assert status["told", 2] == "outdated"
    assert list(status["absent"]) == ["missing"] * 3
    assert (status == "finished").sum() == 8
    assert mixed.runs.loc[("plain", 1), "nll"] == 20.2
    assert mixed.runs.loc[("plain", 1), "parameters"] == mixed.variants.loc["plain", "parameters"]


def test_one_seed_is_a_mean_without_an_interval(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[4], variants={"a": {"model": "a"}, "b": {"model": "b"}})
    made_up.write_run(made, made.run("digits", "a", 4), nll=21.0)
    row = report_of(made).variants.loc["a"]
    assert (row["nll_mean"], row["n"]) == (21.0, 1)
    assert pd.isna(row["nll_sd"]) and pd.isna(row["nll_low"])


def test_two_datasets_are_ranked_apart(tmp_path: Path) -> None:
    made = made_up.benchmark(
        tmp_path,
        seeds=[0],
        datasets={"one": {"source": "digits", "levels": 2}, "two": {"source": "digits", "levels": 16}},
        variants={"a": {"model": "a"}, "b": {"model": "b"}},
    )
    for dataset, variant, nll in (("one", "a", 1.0), ("one", "b", 2.0), ("two", "a", 9.0), ("two", "b", 8.0)):
        made_up.write_run(made, made.run(dataset, variant, 0), nll=nll)
    report = report_of(made)
    table = pd.read_csv(report.folder / "comparison.csv")
    assert [*zip(table["dataset"], table["variant"], table["rank"], strict=True)] == [
        ("one", "a", 1),
        ("one", "b", 2),
        ("two", "b", 1),
        ("two", "a", 2),
    ]
    assert '<section id="data-one">' in report.page and '<section id="data-two">' in report.page


# ------------------------------------------------------------------------------ what went wrong


@pytest.mark.parametrize(
    ("status", "folder", "why"),
    [
        ("failed", "digits/broken/seed0", "RunFailed: NaN"),
        ("running", "digits/broken/seed1", "6 of 12 epochs"),
        ("running", "digits/broken/seed1", "it may have been killed"),
        ("damaged", "digits/broken/seed2", "metrics.json: damaged"),
        ("outdated", "digits/told/seed2", "the config now asks for"),
        ("missing", "digits/absent/seed{0,1,2}", "no folder"),
    ],
)
def test_a_run_without_a_result_is_named_above_the_results(
    mixed: Report, status: str, folder: str, why: str
) -> None:
    top = mixed.page[: mixed.page.index("Results by variant")]
    notice = next(row for row in top.split("<tr>") if f"<code>{folder}</code>" in row)
    assert f">{status}<" in notice and why in notice
    line = next(row for row in mixed.markdown.splitlines() if row.startswith("|") and folder in row)
    assert f"**{status}**" in line and why in line


def test_trained_but_not_evaluated_is_said(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    made_up.write_run(made, made.run("digits", "a", 0), evaluated=False)
    # Test results that an earlier training left behind are not this training's.
    made_up.write_run(made, made.run("digits", "a", 1), metrics_values={"digest": "0" * 16})
    report = report_of(made)
    assert list(report.runs["status"]) == ["not evaluated"] * 2
    assert report.variants.loc["a", "n"] == 0
    assert "2 not evaluated" in report.page


def test_a_variant_without_any_result_is_a_row(mixed: Report) -> None:
    row = next(row for row in mixed.page.split("<tr") if 'data-value="absent"' in row)
    assert "0 of 3" in row and "no finished run" in row
    assert mixed.variants.loc["absent", "n"] == 0
    assert pd.isna(mixed.variants.loc["absent", "rank"])


def test_runs_that_mix_precision_are_warned_of(mixed: Report) -> None:
    assert "digits/plain: its seeds mix precision bfloat16 and float32" in mixed.page


def test_runs_of_uncommitted_code_are_counted(mixed: Report) -> None:
    assert "digits: 2 of its runs ran code that no commit holds (-dirty)." in mixed.page


def test_a_run_that_the_config_does_not_ask_for_is_named_and_left_out(mixed: Report) -> None:
    assert "digits/forgotten/seed2" in mixed.page
    assert "forgotten" not in mixed.variants.index


def test_a_variant_far_off_is_told_and_not_drawn(mixed: Report) -> None:
    assert "Off the axis, so that the others can be told apart: independent at 91.00." in mixed.page


def test_nothing_there_yet_is_a_report_too(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path)
    made.data_file("digits").unlink()
    report = report_of(made)
    assert "18 of 18 runs have no result: 18 missing" in report.page
    assert "nothing to compare" in report.page and "nothing to compare" in report.markdown
    assert list(report.variants["n"]) == [0] * 6


def test_damaged_pictures_are_said_and_the_rest_goes_on(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0], variants={"a": {"model": "a"}})
    folder = made_up.write_run(made, made.run("digits", "a", 0), nll=21.0)
    (folder / "samples.npz").write_bytes(b"not a zip file")
    made.data_file("digits").write_bytes(b"PK")
    report = report_of(made)
    assert report.variants.loc["a", "nll_mean"] == 21.0
    assert "Left out: digits/a/seed0/samples.npz" in report.page
    assert "Left out: digits/data.npz" in report.page


def test_a_folder_of_no_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json: not found; expected the folder of one benchmark"):
        build_report(tmp_path)


def test_results_on_other_data_than_the_prepared_ones_are_outdated(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    made_up.write_run(made, made.run("digits", "a", 0), nll=21.0)
    made_up.write_run(made, made.run("digits", "a", 1), metrics_values={"data_sha256": "f" * 64})
    report = report_of(made)
    assert report.runs.status.tolist() == ["finished", "outdated"]
    assert report.variants.loc["a", "nll_mean"] == 21.0


def test_a_run_whose_checkpoint_is_gone_has_failed_and_one_whose_process_is_was_interrupted(
    tmp_path: Path,
) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    folder = made_up.write_run(made, made.run("digits", "a", 0))
    (folder / "checkpoint.pt").unlink()
    gone = {"host": platform.node(), "pid": 2**22 + 1}  # beyond the largest process number
    made_up.write_run(made, made.run("digits", "a", 1), status="running", record_values=gone)
    report = report_of(made)
    assert report.runs.status.tolist() == ["failed", "interrupted"]
    assert (
        "checkpoint is gone" in report.page
        and "its process was killed after 6 of 12 epochs; the same command goes on" in report.page
    )


def test_results_on_different_data_are_refused(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0], variants={"a": {"model": "a"}, "b": {"model": "b"}})
    made_up.write_run(made, made.run("digits", "a", 0))
    made_up.write_run(made, made.run("digits", "b", 0), metrics_values={"data_sha256": "f" * 64})
    made.data_file("digits").unlink()  # as in a copy of the results without the data
    with pytest.raises(UserError, match=r"digits/a/seed0 and digits/b/seed0 .*data_sha256"):
        build_report(made.directory)
    assert not (made.directory / "report" / "index.html").exists()


# ------------------------------------------------------------------------------------ the pages


class Links(HTMLParser):
    """Every address that a page would make a browser fetch or follow, and every tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        names = ("src", "href", "srcset", "data", "poster", "action")
        self.addresses += [value or "" for name, value in attrs if name in names]


def test_the_page_needs_no_network_and_no_other_file(mixed: Report) -> None:
    links = Links(mixed.page)
    assert len([a for a in links.addresses if a.startswith("data:image/")]) >= 6
    others = [a for a in links.addresses if not a.startswith(("data:image/", "#"))]
    folder = mixed.folder
    for address, name in zip(others, ("metrics.csv", "comparison.csv", "pairs.csv"), strict=True):
        content = base64.b64decode(address.removeprefix("data:text/csv;base64,"))
        assert content == (folder / name).read_bytes(), "the page offers the tables that lie beside it"
    assert not links.tags & {"link", "iframe", "object"}
    assert mixed.page.count("<script") == 1 and "script-src 'sha256-" in mixed.page, "its own, and no other"
    assert "url(" not in mixed.page and "@import" not in mixed.page
    assert len(mixed.page) < 5_000_000


def test_every_picture_says_what_it_shows(mixed: Report) -> None:
    pictures = re.findall(r"<img [^>]*>", mixed.page)
    assert pictures and all(re.search(r'alt="[^"]{10,}"', picture) for picture in pictures)


def test_foreign_text_is_text(mixed: Report) -> None:
    assert "<script>alert" not in mixed.page and "&lt;script&gt;alert(1)" in mixed.page
    assert "<i>more</i>" not in mixed.page and "Models &amp; &lt;i&gt;more" in mixed.page
    line = next(row for row in mixed.markdown.splitlines() if "alert(1)" in row)
    assert "<script>" not in line
    assert len(re.findall(r"(?<!\\)\|", line)) == 4  # its own bar does not open another column


def test_a_password_in_the_tracking_address_stays_at_home(mixed: Report) -> None:
    assert "secret" not in mixed.page and "secret" not in mixed.markdown


def test_markdown_refers_to_pictures_that_are_there(mixed: Report) -> None:
    pictures = re.findall(r"\]\(([^)]+)\)", mixed.markdown)
    assert len(pictures) >= 6
    assert all((mixed.folder / picture).is_file() for picture in pictures)
    assert (mixed.folder / "figures" / "digits.nll.svg").is_file()


def test_markdown_tables_are_rectangular(mixed: Report) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", mixed.markdown, re.MULTILINE):
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(bars) == 1, block


def test_a_moved_benchmark_reads_the_same(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path / "here", seeds=[0], variants={"a": {"model": "a"}})
    made_up.write_run(made, made.run("digits", "a", 0), nll=21.0)
    moved = made.directory.rename(tmp_path / "there")
    folder = build_report(moved).parent
    assert folder == moved / "report"
    assert pd.read_csv(folder / "comparison.csv").loc[0, "nll_mean"] == 21.0
    assert not made.directory.exists()


def test_the_report_needs_neither_torch_nor_mlflow() -> None:
    code = "import sys, pixelcnn.report; print(sorted({'torch', 'mlflow', 'snakemake'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------- pictures


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


def test_runs_trained_by_code_that_was_edited_since_are_flagged_and_counted(tmp_path: Path) -> None:
    variants = {name: {"model": name} for name in ("pixelcnn", "gated", "attention")}
    made = made_up.benchmark(tmp_path, seeds=[0, 1, 2], variants=variants)
    for spec in made.runs():
        code = code_digest(spec.variant.model)
        if spec.variant_name == "gated" and spec.seed != 1:
            code = "0" * 16
        values = {"code": None if spec.variant_name == "attention" else code}
        made_up.write_run(made, spec, record_values={**values, "commit": "fedcba9876543210"})
    report = report_of(made)
    stale = report.runs.stale
    assert stale["gated"].tolist() == [True, False, True]
    assert stale["pixelcnn"].tolist() == [False] * 3 and stale["attention"].isna().all()
    assert set(report.runs.status) == {"finished"} and report.variants.loc["gated", "n"] == 3
    assert report.variants.stale.to_dict() == {"pixelcnn": False, "gated": True, "attention": False}
    sentence = "digits/gated: stale, seeds 0, 2. The code that trained them (commit fedcba9876543210)"
    for text in (report.page, report.markdown):
        assert sentence in text and text.count("stale, seeds") == 1
    assert '<span class="tag">stale</span>' in report.page and "| gated (stale) |" in report.markdown
    assert report.page.count("<code>fedcba98</code>") == 3 + 9, "each variant and run names its commit"


def test_a_run_that_went_on_under_other_conditions_is_named(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    first, second = made.runs()
    made_up.write_run(made, first)
    made_up.write_run(made, second, record_values={"resumes": 1, "changed": ["threads: 1, then 2"]})
    report = report_of(made)
    named = "digits/a/seed1: was interrupted and went on under other conditions (threads: 1, then 2)"
    assert named in report.page and "seed0: was interrupted" not in report.page
    assert report.runs.resumes.tolist() == [0, 1]


def test_an_interrupted_run_is_told_from_a_failed_one(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    first, second = made.runs()
    made_up.write_run(made, first, status="interrupted", record_values={"error": "stopped by SIGTERM"})
    made_up.write_run(made, second, status="failed", record_values={"error": "loss is NaN"})
    report = report_of(made)
    assert report.runs.status.tolist() == ["interrupted", "failed"]
    assert "stopped after 6 of 12 epochs; the same command goes on" in report.page


# --------------------------------------------------------------------- comparisons and analyses


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A benchmark where everything is finished, analysed and measured."""
    made = made_up.benchmark(tmp_path_factory.mktemp("whole"))
    made_up.write_all(made)
    return report_of(made)


def test_every_pair_of_variants_is_compared_over_seeds_and_apart_from_that_over_images(whole: Report) -> None:
    pairs = pd.read_csv(whole.folder / "pairs.csv")
    assert len(pairs) == 15 and pairs.paired.all(), "equal seeds see the data in the same order"
    nll = whole.variants.comparable_nll_mean
    assert np.allclose(pairs.difference, nll[pairs["first"]].values - nll[pairs["second"]].values)
    assert (pairs.p_holm >= pairs.p).all() and pairs.images.eq(60).all()
    assert {"lower", "tie"} == set(pairs.verdict), "the planted differences are found, the noise is a tie"
    assert "Row better than column by" in whole.page and "Image by image" in whole.page


def test_the_first_screen_has_three_sentences_of_the_numbers(whole: Report) -> None:
    first = whole.page[: whole.page.index("Results by variant")]
    best = whole.variants.sort_values("rank").iloc[0]
    assert (
        first.count("<p>") == 3 and f"{best.name} has the lowest NLL, {best.comparable_nll_mean:.2f}" in first
    )


def test_gaps_and_costs_are_those_of_analysis_and_measurement(whole: Report) -> None:
    row = whole.runs.loc[("gated", 1)]
    assert row.gap == pytest.approx(0.72) and row.agreement != row.agreement
    assert whole.runs.loc[("gated-conditional", 0)].agreement == pytest.approx(21 / 30)
    assert whole.variants.loc["gated", "gap_mean"] == pytest.approx(0.72)
    assert "5.05 ms" in whole.page, "the median of the rounds of a step, gated"


def test_an_analysis_or_a_cost_of_another_config_is_left_out(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={"plain": {"model": "pixelcnn"}}, seeds=[0])
    made_up.write_all(made)
    for path in (made.run_directory(made.runs()[0]) / "analysis.json", made.cost_file("digits", "plain")):
        text = path.read_text()
        path.write_text(text.replace(made.runs()[0].digest, "0" * 16))
    report = report_of(made)
    assert pd.isna(report.runs.loc[("plain", 0), "gap"]) and 'id="data-digits-cost"' not in report.page


def test_a_damaged_analysis_costs_nothing_but_itself(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={"plain": {"model": "pixelcnn"}}, seeds=[0])
    made_up.write_all(made)
    folder = made.run_directory(made.runs()[0])
    for name in ("analysis.npz", "nats.npz"):
        (folder / name).write_bytes(b"damaged")
    (folder / "analysis.json").write_text("{")
    report = report_of(made)
    assert report.runs.loc[("plain", 0), "status"] == "finished"


def test_the_front_is_of_those_that_none_beats_in_both() -> None:
    assert pareto_front([1, 2, 3, 4], [9, 7, 8, 5]) == [0, 1, 3]
    assert pareto_front([2, 1, 1], [5, 6, 5]) == [2]


def test_runs_on_a_server_are_linked_and_passwords_are_not(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={"plain": {"model": "pixelcnn"}}, seeds=[0])
    made_up.write_all(made)
    noted = {"uri": "https://me:secret@host:5000", "experiment_id": "7", "query": "asked=so"}
    noted["runs"] = {f"run-{made.runs()[0].digest}": "abc"}
    (made.directory / "tracking.json").write_text(json.dumps(noted))
    page = report_of(made).page
    assert 'href="https://host:5000/#/experiments/7/runs/abc"' in page and "secret" not in page
    noted["uri"] = "sqlite:///mlflow.db"
    (made.directory / "tracking.json").write_text(json.dumps(noted))
    assert "experiments/7" not in report_of(made).page
