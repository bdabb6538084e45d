"""The two pages as files: what they link, escape, embed and refer to."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
from support.reports import Report, report_of

from benchmarks import made_up
from pixelcnn.report.page import build_report
from pixelcnn.results.folder import folder_of

TABLES = ("metrics.csv", "comparison.csv", "pairs.csv", "findings.csv")


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
    for address, name in zip(others, TABLES, strict=True):
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
    moved = folder_of(made).path.rename(tmp_path / "there")
    folder = build_report(moved).parent
    assert folder == moved / "report"
    assert pd.read_csv(folder / "comparison.csv").loc[0, "nll_mean"] == 21.0
    assert not folder_of(made).path.exists()


def test_the_report_needs_neither_torch_nor_mlflow() -> None:
    code = "import sys, pixelcnn.report; print(sorted({'torch', 'mlflow', 'snakemake'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_runs_on_a_server_are_linked_and_passwords_are_not(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={"plain": {"model": "pixelcnn"}}, seeds=[0])
    made_up.write_all(made)
    noted = {"uri": "https://me:secret@host:5000", "experiment_id": "7", "query": "asked=so"}
    noted["runs"] = {f"run-{made.runs()[0].digest}": "abc"}
    (folder_of(made).path / "tracking.json").write_text(json.dumps(noted), encoding="utf-8")
    page = report_of(made).page
    assert 'href="https://host:5000/#/experiments/7/runs/abc"' in page and "secret" not in page
    noted["uri"] = "sqlite:///mlflow.db"
    (folder_of(made).path / "tracking.json").write_text(json.dumps(noted), encoding="utf-8")
    assert "experiments/7" not in report_of(made).page
