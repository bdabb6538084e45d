"""What a site says was learnt: the answers of its benchmarks' reports, side by side."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from support.claims import CLEAR, NOISE, by_claim, made_of
from support.reports import no_figures, report_of

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.page import build_report
from pixelcnn.results.folder import folder_of
from pixelcnn.site.learnt import learnt
from pixelcnn.site.publish import publish
from pixelcnn.system.files import read_json, write_json

LOWER = "attention: lower NLL"


def renamed(made: Benchmark, name: str) -> Path:
    """The folder of a benchmark under another name, with its report."""
    folder = folder_of(made)
    write_json(folder.config, read_json(folder.config) | {"benchmark": name})
    target = folder.path.rename(folder.path.parent / name)
    with no_figures():
        build_report(target)
    return target


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One benchmark in which differences are clear, one in which they are noise, one of a baseline alone."""
    root = tmp_path_factory.mktemp("learnt")
    clear, noise = made_of(root / "clear", CLEAR), made_of(root / "noise", NOISE)
    bare = made_up.benchmark(root / "bare", variants={"independent": {"model": "independent"}}, seeds=[0])
    made_up.write_all(bare)
    folders = [renamed(made, name) for made, name in ((clear, "clear"), (noise, "noise"), (bare, "bare"))]
    return publish(folders, root / "site").parent


def entries(site: Path) -> list[dict]:
    return json.loads((site / "numbers.json").read_text(encoding="utf-8"))["benchmarks"]


def clear_one(site: Path) -> dict:
    """The entry in which differences are clear."""
    return next(entry for entry in entries(site) if entry["name"] == "clear")


def test_the_table_of_findings_has_the_numbers_of_their_sentences(tmp_path: Path) -> None:
    made = made_of(tmp_path, CLEAR)
    report_of(made)
    with folder_of(made).report.findings.open(encoding="utf-8", newline="") as stream:
        rows = {row["claim"]: row for row in csv.DictReader(stream)}
    assert rows.keys() == by_claim(made).keys()
    lower = rows[LOWER]
    assert (lower["subject"], lower["against"], lower["verdict"]) == ("attention", "pixelcnn", "supported")
    assert (lower["measure"], lower["unit"], lower["n_subject"]) == ("comparable_nll", "nats", "3")
    assert [float(lower[key]) for key in ("value", "other_value", "effect")] == pytest.approx(
        [22, 24, -2], abs=0.02
    )
    assert float(lower["low"]) < -2 < float(lower["high"]) < 0
    guess = rows["conditional: label-specific outputs"]
    assert (guess["against"], guess["effect_unit"], guess["other_value"]) == ("", "percentage points", "10.0")
    assert float(guess["effect"]) == pytest.approx(float(guess["value"]) - 10)


def test_each_claim_is_a_row_and_each_benchmark_that_answers_any_a_column(site: Path) -> None:
    table = learnt(entries(site))
    places = [column["benchmark"] for column in table["columns"]]
    assert sorted(places) == ["clear", "noise"], "a baseline answers no claim"
    row = next(row for row in table["rows"] if row["claim"] == LOWER)
    (clear,), (noise,) = (row["cells"][places.index(name)]["answers"] for name in ("clear", "noise"))
    assert (clear["who"], clear["verdict"]) == ("attention against pixelcnn", "supported")
    assert clear["effect"].startswith("−2.0") and clear["effect"].endswith(" nats")
    assert clear["interval"].startswith("[−2.") and clear["interval"].endswith("]")
    assert noise["verdict"] == "undecided"
    page, readme = ((site / name).read_text(encoding="utf-8") for name in ("index.html", "README.md"))
    assert all(
        "adjusted for all pairs" in text and "no proof of its cause" in text for text in (page, readme)
    )
    assert clear["effect"] in page and '<span class="verdict supported">' in page
    (line,) = (line for line in readme.splitlines() if line.startswith(f"| **{LOWER}**"))
    assert clear["effect"] in line and "**undecided**" in line and line.count("|") == 4


def test_an_answer_that_was_not_measured_is_none(site: Path) -> None:
    unmeasured = entries(site)
    for entry in unmeasured:
        entry["findings"] = [f | {"effect": None} for f in entry["findings"]]
    assert learnt(unmeasured)["columns"] == learnt(unmeasured)["rows"] == []


def test_a_question_that_was_worded_anew_is_of_the_same_claim(site: Path) -> None:
    newer, older = clear_one(site), clear_one(site) | {"name": "older"}
    older["findings"] = [f | {"question": "In other words?"} for f in older["findings"]]
    table = learnt([newer, older])
    assert [row["question"] for row in table["rows"]] == [row["question"] for row in learnt([newer])["rows"]]
    assert all(len(cell["answers"]) == 1 for row in table["rows"] for cell in row["cells"])


@pytest.mark.parametrize(
    ("finding", "shown", "interval"),
    [
        (("training step", "times", 1.216, 1.1, 1.34), "1.22 times", "[1.10, 1.34]"),
        (("training step", "times", 0.003, 0.002, 0.0041), "0.003 times", "[0.002, 0.004]"),
        (("effective_share", "percentage points", 30.04, -2, 62), "+30.0 percentage points", "[−2.0, +62.0]"),
        (("bits_per_dim", "bits/dim", 0.1479, 0.1, 0.2), "+0.1479 bits/dim", "[+0.1000, +0.2000]"),
        (("comparable_nll", "nats", -0.0004, -0.0009, -0.0001), "−0.0004 nats", "[−0.0009, −0.0001]"),
        (("comparable_nll", "nats", 0.0, None, None), "+0.00 nats", ""),
    ],
)
def test_an_effect_has_its_sign_and_its_digits(site: Path, finding: tuple, shown: str, interval: str) -> None:
    entry = clear_one(site)
    keys = ("measure", "effect_unit", "effect", "low", "high")
    entry["findings"] = [entry["findings"][0] | dict(zip(keys, finding, strict=True))]
    (row,) = learnt([entry])["rows"]
    (answer,) = row["cells"][0]["answers"]
    assert (answer["effect"], answer["interval"]) == (shown, interval)


def test_a_conditional_best_is_said_to_be_label_marginalised(tmp_path: Path) -> None:
    variants = {"told": {"model": "pixelcnn", "conditional": True}}
    made = made_up.benchmark(tmp_path, variants=variants, seeds=[0])
    made_up.write_all(made)
    report_of(made)
    index = publish([folder_of(made).path], tmp_path / "site")
    assert "| told, label-marginalised |" in (index.parent / "README.md").read_text(encoding="utf-8")
    assert "label-marginalised, mean of 1 seed" in index.read_text(encoding="utf-8")
