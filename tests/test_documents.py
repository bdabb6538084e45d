"""What the documents show is there: numbers of published tables, links, commands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest

from pixelcnn.cli import pixelcnn
from pixelcnn.site.schema import numbers_schema

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page.relative_to(ROOT)
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("pixelcnn/**/*.md"),
    ]
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBERS = json.loads((ROOT / "docs" / "results" / "numbers.json").read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The fragments that GitHub gives the headings of a page."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_to_files_and_headings_that_are_there(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = unquote(link).partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_that_are_named_are_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"\b(?:configs|benchmarks|docs|profiles|tests|workflow)/[\w/.-]*\w", text)
    missing = [name for name in named if not (ROOT / name).exists()]
    assert [name for name in missing if not Path(name).stem.isupper()] == [], "MINE.yaml is the reader's"


def commands(page: Path) -> list[list[str]]:
    """The lines of a page's code blocks that call `pixelcnn`, and such calls within its sentences."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL))
    found = re.findall(r"^pixelcnn (.*)$", blocks, flags=re.MULTILINE) + re.findall(
        r"`pixelcnn ([^`]*)`", text
    )
    return [shlex.split(line, comments=True) for line in found]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=str)
def test_commands_that_are_shown_exist_with_their_options(page):
    context = click.Context(pixelcnn)
    for name, *words in commands(page):
        command = pixelcnn.get_command(context, name)
        assert command is not None, name
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
        assert not unknown, (name, unknown)


def test_the_published_numbers_are_of_todays_format():
    schema = json.loads((ROOT / "docs" / "results" / "numbers.schema.json").read_text(encoding="utf-8"))
    assert schema == numbers_schema(), "publish all of docs/results again"


def headline() -> tuple[str, dict[str, list[str]], list[dict[str, Any]]]:
    """The benchmark that the README shows first, the rows of its table, its published variants."""
    picture = re.search(r"!\[[^\]]*\]\(docs/results/([^/)]+)/figures/[^)]+\)", README)
    assert picture, "a picture that `pixelcnn publish` has put there"
    table = README[picture.end() :].strip().partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    (benchmark,) = (one for one in NUMBERS["benchmarks"] if one["name"] == picture[1])
    return picture[1], {row[0]: row[1:] for row in rows}, benchmark["variants"]


def test_the_first_picture_and_table_are_of_published_results():
    name, rows, variants = headline()
    variants = sorted(variants, key=lambda one: one["metrics"]["comparable_nll"]["mean"])
    assert [*rows] == [one["variant"] for one in variants], "best first, none left out"
    for one in variants:
        nll, bits = one["metrics"]["comparable_nll"], one["metrics"]["comparable_bits_per_dim"]
        assert rows[one["variant"]] == [
            f"{one['parameters']:,}",
            f"{nll['mean']:.2f} ± {nll['sd']:.2f}",
            f"{bits['mean']:.4f}",
            str(nll["n"]),
        ]
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert all(picture.startswith(f"docs/results/{name}/") for picture in pictures)


def test_the_larger_network_is_told_with_its_published_numbers():
    (record,) = (one for one in NUMBERS["benchmarks"] if one["name"] == "record")
    (run,) = record["runs"]
    nll, parameters = f"{run['metrics']['nll']:.2f}", f"{run['metrics']['parameters']:,}"
    told = re.search(
        r"of ([\d,]+) parameters\]\(docs/results/record/report\.md\).* comes to ([\d.]+) ", README
    )
    assert told and (told[1], told[2]) == (parameters, nll)
    assert f"[published](docs/results/record/report.md): {nll} nats" in README
    page = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
    assert f"of {parameters} parameters" in page and f"**{nll}** test nats" in page
