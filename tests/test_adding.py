"""What docs/adding.md shows is what works."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.reports import report_of

from benchmarks import made_up
from pixelcnn.cli import main
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report import claims
from pixelcnn.report.collect import collect
from pixelcnn.report.differences import differences_of
from pixelcnn.report.findings import find
from pixelcnn.report.sections import SECTIONS, results
from pixelcnn.results import metric_table
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.results.metric_table import METRICS
from pixelcnn.tracking.view import read_view

ADDING = (Path(__file__).resolve().parent.parent / "docs" / "adding.md").read_text(encoding="utf-8")


def code(heading: str) -> str:
    """The first Python code below a heading of the page."""
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", ADDING, flags=re.DOTALL | re.MULTILINE)
    found = re.search(r"```python\n(.*?)```", part, flags=re.DOTALL)
    assert found, heading
    return found[1]


def entry(heading: str, names: dict[str, Any]) -> Any:
    """What the code below a heading makes, which is an entry of a list of the module that has these names."""
    return eval(code(heading), {**names, "__builtins__": {}})


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """The three files of the page, written as a reader would."""
    monkeypatch.chdir(tmp_path)
    Path("my_model.py").write_text(code("An architecture"), encoding="utf-8")
    Path("my_likelihood.py").write_text(code("A likelihood"), encoding="utf-8")
    Path("my_dataset.py").write_text(code("A dataset"), encoding="utf-8")


def test_the_model_and_the_likelihood_shown_pass_their_check_and_its_leaky_twin_does_not(shown, capsys):
    small = ["--hyperparameters", '{"channels": 6, "blocks": 1}']
    assert main(["check", "my_model.py", *small, "--likelihood", "my_likelihood.py", "--channels", "2"]) == 0
    leaky = Path("my_model.py").read_text(encoding="utf-8").replace('7, "A"', '7, "B"')
    Path("leaky.py").write_text(leaky, encoding="utf-8")
    assert main(["check", "leaky.py", *small]) == 1
    assert re.search(r"FAILED  no leak .*pixel \(\d, \d\) changes", capsys.readouterr().out)


def test_the_model_and_the_dataset_shown_run(shown):
    small = {"channels": 6, "blocks": 1}
    benchmark = {
        "benchmark": "shown",
        "datasets": {"stripes-8x8": {"source": "my_dataset.py", "image_size": 8, "levels": 4}},
        "variants": {
            "mine": {"model": "my_model.py", "hyperparameters": small},
            "mine-conditional": {
                "model": "my_model.py",
                "conditional": True,
                "hyperparameters": small,
                "likelihood": "my_likelihood.py",
            },
        },
        "seeds": [0],
        "training": {"epochs": 1},
    }
    Path("config.yaml").write_text(json.dumps(benchmark), encoding="utf-8")
    run = ["config.yaml", "--variant", "mine-conditional", "--seed", "0"]
    assert [main(c) for c in (["plan", "config.yaml"], ["prepare", "config.yaml"])] == [0, 0]
    assert [main(c) for c in (["train", *run], ["evaluate", *run])] == [0, 0]


def test_the_claim_shown_is_answered(tmp_path):
    claim = entry("A claim", vars(claims))
    variants = {"plain": {"model": "pixelcnn"}, "mine": {"model": "transformer"}}
    made = made_up.benchmark(tmp_path, variants=variants)
    for seed, noise in enumerate((0.0, 0.1, 0.2)):
        made_up.write_run(made, made.run("digits", "plain", seed), nll=30 + noise)
        made_up.write_run(made, made.run("digits", "mine", seed), nll=20 + 1.1 * noise)
    (finding,) = find(differences_of(collect(folder_of(made).path).datasets[0], made, {}), [claim])
    assert (finding.subject, finding.against, finding.verdict) == ("mine", "plain", "supported")


@pytest.fixture
def made(tmp_path) -> Benchmark:
    made = made_up.benchmark(tmp_path, variants={"plain": {"model": "pixelcnn"}}, seeds=[0, 1])
    for seed, nll in enumerate((20.0, 20.25)):
        cost = {"training_seconds": 100.0, "wall_seconds": 107.0 + seed}
        made_up.write_run(made, made.run("digits", "plain", seed), nll=nll, record_values=cost)
    return made


@pytest.fixture
def new_metric() -> Iterator[None]:
    METRICS.append(entry("A metric", vars(metric_table)))
    yield
    METRICS.pop()


@pytest.mark.usefixtures("new_metric")
def test_the_metric_shown_is_in_the_tables_on_the_page_and_in_mlflow(made):
    page = report_of(made).folder / "index.html"
    with (page.parent / "metrics.csv").open(newline="", encoding="utf-8") as stream:
        assert [float(row["validation_seconds"]) for row in csv.DictReader(stream)] == [7.0, 8.0]
    with (page.parent / "comparison.csv").open(newline="", encoding="utf-8") as stream:
        assert [float(row["validation_seconds_mean"]) for row in csv.DictReader(stream)] == [7.5]
    for file, shown in ((page, ">Validation<"), (page.parent / "report.md", "| Validation |")):
        assert shown in file.read_text(encoding="utf-8") and "7.5 s" in file.read_text(encoding="utf-8")
    spec = made.runs()[1]
    view = read_view(
        RunFolder(folder_of(made).run_of(spec).path), spec, made, folder_of(made).path / "config.json"
    )
    assert view is not None
    assert [point.value for point in view.finals if point.key == "validation_seconds"] == [8.0]


@pytest.fixture
def new_section() -> Iterator[None]:
    names: dict[str, Any] = {}
    exec(code("A section of the report"), names)
    place = SECTIONS.index(results.SECTION) + 1
    SECTIONS.insert(place, names["SECTION"])
    yield
    del SECTIONS[place]


@pytest.mark.usefixtures("new_section")
def test_the_section_shown_is_on_both_pages_at_its_place(made):
    report = report_of(made)
    html, markdown = report.page, report.markdown
    sentence = "plain: its seeds lie 0.25 nats apart."
    assert html.index("Results by variant") < html.index(sentence) < html.index(">Findings</h3>")
    assert '<a href="#data-digits-seeds">Seeds</a>' in html and 'id="data-digits-seeds"' in html
    assert markdown.index("| plain |") < markdown.index("- plain: 0.25 nats") < markdown.index("### Findings")
