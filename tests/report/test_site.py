"""`pixelcnn publish`: a site of reports that are there already, so these tests build none."""

from __future__ import annotations

import csv
import json
import shutil
import statistics
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest
from support.reports import Report

from pixelcnn.cli import main
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.results.made_of import report_digest
from pixelcnn.site import publish as publishing
from pixelcnn.site.private import html_without_paths, json_without_paths, without_paths
from pixelcnn.site.publish import publish
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json, write_json


@pytest.fixture(scope="module")
def site(mixed: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of the benchmark in which everything went wrong that can."""
    return publish([folder_of(mixed.benchmark).path], tmp_path_factory.mktemp("web") / "site").parent


@pytest.fixture
def other(mixed: Report, tmp_path: Path) -> BenchmarkFolder:
    """A copy of it under another name, with a path in what it says."""
    folder = BenchmarkFolder(tmp_path / "other")
    shutil.copytree(folder_of(mixed.benchmark).path, folder.path)
    write_json(
        folder.config, read_json(folder.config) | {"benchmark": "other", "note": "See /srv/lab/notes.md"}
    )
    record = folder.run("digits", "broken", 0).record_file
    write_json(record, read_json(record) | {"error": "OSError: /home/alice/data/x.npz: not found"})
    page = folder.report.page.read_text(encoding="utf-8")
    told = "<td>/home/alice/data/x.npz: not found</td></body>"
    folder.report.page.write_text(page.replace("</body>", told), encoding="utf-8")
    stamp(folder, mixed)
    return folder


def stamp(folder: BenchmarkFolder, mixed: Report) -> None:
    """Let the report pass as one of the records as they are."""
    folder.report.made_of.write_text(report_digest(folder, mixed.benchmark), encoding="utf-8")


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def numbers(site: Path) -> dict:
    return json.loads((site / "numbers.json").read_text(encoding="utf-8"))


def test_the_numbers_keep_to_their_schema_and_it_is_strict(site: Path) -> None:
    schema, found = json.loads((site / "numbers.schema.json").read_text(encoding="utf-8")), numbers(site)
    check = jsonschema.Draft202012Validator(schema)
    check.check_schema(schema)
    check.validate(found)
    for path in (
        ("runs", 0, "seed"),
        ("variants", 0, "metrics", "comparable_nll", "n"),
        ("pairs", 0, "first"),
        ("findings", 0, "verdict"),
    ):
        *above, last = path
        wrong = numbers(site)
        place = wrong["benchmarks"][0]
        for key in above:
            place = place[key]
        value, place[last] = place[last], None
        assert not check.is_valid(wrong), path
        del place[last]
        assert not check.is_valid(wrong), path
        place |= {last: value, "unknown": 1}
        assert not check.is_valid(wrong), path


def test_every_number_of_the_report_is_there_and_is_that_of_the_records(site: Path, mixed: Report) -> None:
    entry, folder = numbers(site)["benchmarks"][0], folder_of(mixed.benchmark)
    for name, rows in (
        ("metrics", "runs"),
        ("comparison", "variants"),
        ("pairs", "pairs"),
        ("findings", "findings"),
    ):
        with (mixed.folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            table = list(csv.DictReader(stream))
        assert len(table) == len(entry[rows])
        for row, told in zip(table, entry[rows], strict=True):
            flat = dict(told) | told.get("metrics", {})
            for key in told.get("metrics", {}):
                parts = flat[key] if isinstance(flat[key], dict) else {}
                flat |= {f"{key}_{part}": value for part, value in parts.items()}
            for column, cell in row.items():
                value = flat[column]  # a column that the site does not know fails here
                assert (value is None) == (cell == ""), column
                if isinstance(value, float):
                    assert value == float(cell), column
    by_variant: dict[str, list[float]] = {}
    for run in entry["runs"]:
        if run["status"] == "finished":
            test = read_json(folder.run("digits", run["variant"], run["seed"]).metrics_file)
            value = test["marginal_nll" if run["conditional"] else "nll"]
            assert run["metrics"]["comparable_nll"] == value
            by_variant.setdefault(run["variant"], []).append(value)
    means = {v["variant"]: v["metrics"]["comparable_nll"]["mean"] for v in entry["variants"] if v["n"]}
    assert means == pytest.approx({name: statistics.mean(values) for name, values in by_variant.items()})
    assert entry["datasets"][0]["best"] == min(means, key=means.__getitem__)


class Links(HTMLParser):
    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]


def test_every_link_leads_to_a_file_of_the_site(site: Path) -> None:
    pages = [site / "index.html", *site.glob("*/records.html")]
    links, places = [], set()
    for page in pages:
        for link in Links(page).found:
            path, _, place = link.partition("#")
            if link != "data:,":
                links.append((page.parent / unquote(path)).resolve())
            if place:
                places.add((links[-1], unquote(place)))
    for target, place in places:
        assert f'id="{place}"' in target.read_text(encoding="utf-8")
    assert places, "what was learnt leads to the findings"
    assert len(links) > 30 and all(link.is_file() and site.resolve() in link.parents for link in links)
    kept = {path.suffix for path in site.rglob("*") if path.is_file()}
    assert kept <= {".html", ".json", ".jsonl", ".csv", ".md", ".png", ".svg"}, "no weights, no arrays"


def test_foreign_text_is_text(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    assert "<i>more</i>" not in page and "Models &amp; &lt;i&gt;more" in page


def test_no_path_and_no_address_of_a_database_leaves_the_machine(
    other: BenchmarkFolder, tmp_path: Path
) -> None:
    site = publish([other.path], tmp_path / "site").parent
    for name, found in content(site).items():
        for secret in (b"alice", b"/srv/lab", b"secret", str(tmp_path).encode(), str(Path.home()).encode()):
            assert secret not in found or secret == b"/root", f"{secret!r} in {name}"
    record = read_json(site / "other/runs/digits/broken/seed0/record.json")
    assert record["error"] == "OSError: …/x.npz: not found"
    assert "…/x.npz: not found</td>" in (site / "other/index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/alice/a b.py: line 3", "…/a b.py: line 3"),
        ("from /home/alice", "from …"),
        ("(file:///home/alice/x.npz)", "(…/x.npz)"),
        ('{"path":"/scratch/alice/x"}', '{"path":"…/x"}'),
        ("a,/scratch/alice/x,b", "a,…/x,b"),
        ("`/home/alice/x/y.py`", "`…/y.py`"),
        ("“/home/alice/x”, {/home/alice/x} *//home/alice/x*", "“…/x”, {…/x} *…/x*"),
        (
            "sqlite:////home/alice/m.db, sqlite:///results/a/m.db",
            "sqlite:…/m.db, sqlite:///results/a/m.db",
        ),
        ("nats/image, 1/2/3, https://example.org/a/b, and/or", None),
        ("results/mnist/report/index.html and ../a/b", None),
    ],
)
def test_absolute_paths_are_shortened_and_nothing_else(text: str, told: str | None) -> None:
    assert without_paths(text) == (told or text)


def test_paths_are_found_wherever_a_page_or_a_record_has_them() -> None:
    assert json_without_paths({"/home/a/x.py": ["/home/my data/x"], "/home/b/x.py": 1}) == {
        "…/x.py": ["…/x"],
        "…/x.py'": 1,
    }
    page = '<img src="data:image/jpeg;base64,/9j/4AAQ/x=" alt="/srv/me/x"><style>/* a/b/c */</style>'
    assert html_without_paths(page, [Path("/srv/me")]) == page.replace("/srv/me", "…")
    page = (
        '<p title="in /home/a/x">/w/Ann Lee/x.npz</p><img src="data:image/png;base64,A/w/B"><a href="/w/x">'
    )
    told = '<p title="in …/x">…/x.npz</p><img src="data:image/png;base64,A/w/B"><a href="…/x">'
    assert html_without_paths(page, [Path("/w"), Path("/w/Ann Lee")]) == told
    table = "data:text/csv;base64,L2hvbWUvYWxpY2UveCwx"  # /home/alice/x,1
    assert html_without_paths(f'<a href="{table}">', []) == '<a href="data:text/csv;base64,4oCmL3gsMQ==">'


def test_publishing_again_replaces_its_own_and_keeps_the_others(
    site: Path, mixed: Report, other: BenchmarkFolder, tmp_path: Path
) -> None:
    target, name = tmp_path / "site", mixed.benchmark.benchmark
    both = [folder_of(mixed.benchmark).path, other.path]
    publish(both[:1], target)
    assert content(target) == content(site), "the same folders give the same bytes"
    publish(both[1:], target)
    assert {entry["name"] for entry in numbers(target)["benchmarks"]} == {"other", name}
    first = content(target)
    (target / "other" / "left.txt").write_text("of an older version", encoding="utf-8")
    (target / "CNAME").write_text("lab.example.org", encoding="utf-8")
    publish(both, target)
    assert content(target) == first | {"CNAME": b"lab.example.org"}


def test_what_fails_leaves_a_site_as_it_was(
    site: Path, mixed: Report, other: BenchmarkFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = tmp_path / "web" / "site"
    shutil.copytree(site, target)
    before = content(tmp_path / "web")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, "copy_records", fails)
    with pytest.raises(OSError, match="No space"):
        publish([other.path, folder_of(mixed.benchmark).path], target)
    assert content(tmp_path / "web") == before


def test_it_refuses_in_one_sentence(
    mixed: Report, other: BenchmarkFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = folder_of(mixed.benchmark).path
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "index.html").write_text("mine", encoding="utf-8")
    copy = tmp_path / "copy"
    shutil.copytree(mine, copy)
    for folders, target, words in (
        ([mine], tmp_path / "thesis", "choose another folder"),
        ([mine], mine / "site", "lies in"),
        ([mine, copy], tmp_path / "site", "a site has one of a name"),
        ([tmp_path], tmp_path / "site", "config.json: not found"),
    ):
        with pytest.raises(UserError, match=words):
            publish(folders, target)
    (copy / "report" / ".made-of").write_text("another", encoding="utf-8")
    assert main(["publish", str(copy), "--site", str(tmp_path / "site")]) == 2
    said = capsys.readouterr().err
    assert "is of older records" in said and said.count("\n") == 1
    assert content(tmp_path / "thesis") == {"index.html": b"mine"} and not (tmp_path / "site").exists()
