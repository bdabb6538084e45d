"""Sections: that the page has those of the list, in its order, and only where they have something to show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.reports import Report, report_of

from benchmarks import made_up
from pixelcnn.report import provenance
from pixelcnn.report.collect import collect
from pixelcnn.report.sections import SECTIONS
from pixelcnn.report.sections.base import Content, OfBenchmark, OfDataset
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.system.code_digest import code_digest
from pixelcnn.system.files import read_json, write_json
from pixelcnn.tracking.view import read_view

HEADINGS = (
    "Results by variant",
    "Mixture of seeds</h3>",
    "Findings</h3>",
    "Who beats whom</h3>",
    "Learning curves</h3>",
    "Overfitting</h3>",
    "What each variant sees</h3>",
    "Where the bits go</h3>",
    "Samples</h3>",
    "Do conditional samples show their label?",
    "Are samples memorised?",
    "Cost</h3>",
    "Over time</h3>",
    "Every run</h2>",
    "What was run</h2>",
)


@contextmanager
def sections(*own: OfBenchmark | OfDataset) -> Iterator[None]:
    kept = list(SECTIONS)
    SECTIONS[:] = own
    try:
        yield
    finally:
        SECTIONS[:] = kept


def test_sections_stand_in_their_order(whole: Report) -> None:
    places = [whole.page.index(heading) for heading in HEADINGS]
    assert places == sorted(places)
    links = ("findings", "pairs", "sees", "bits", "samples", "cost", "over_time")
    assert all(f'<a href="#data-digits-{name}">' in whole.page for name in links)
    assert all(f'<h3 id="data-digits-{name}">' in whole.page for name in links)


def test_commits_that_trained_by_the_same_code_are_no_reason_to_doubt(tmp_path: Path) -> None:
    variants = {"plain": {"model": "pixelcnn"}, "told": {"model": "gated"}}
    made = made_up.benchmark(tmp_path, variants=variants, seeds=[0, 1])

    def said(code: dict[str, str | None]) -> str:
        for spec in made.runs():
            values = {"commit": f"{spec.seed}" * 40, "code": code[spec.variant_name]}
            made_up.write_run(made, spec, nll=20, record_values=values)
        return " ".join(provenance.mixtures(collect(folder_of(made).path).datasets[0]))

    now = {name: code_digest(spec.model) for name, spec in made.variants.items()}
    assert "commit" not in said(now) and "different code" not in said(now)
    for other in (now | {"told": "beef"}, now | {"told": None}):
        assert "by different code" in said(other)
    assert "digits/told: its seeds mix commit" in said(now | {"told": None})
    said(now)
    broken = made.run("digits", "told", 1)
    made_up.write_run(made, broken, status="failed", record_values={"commit": "e" * 40, "code": "beef"})
    told = " ".join(provenance.mixtures(collect(folder_of(made).path).datasets[0]))
    assert "different code" not in told, "no failed run enters a mean"


def test_a_gap_over_some_of_the_training_images_says_so(whole: Report, tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={"plain": {"model": "pixelcnn"}}, seeds=[0, 1])
    made_up.write_all(made)
    files = [folder_of(made).run_of(spec).analysis_file for spec in made.runs()]
    for file in files:
        write_json(file, read_json(file) | {"settings": {"images": 64, "train_images": 1500}})
    words = "at the chosen epoch over at most 1\u202f500 training images"
    assert words in report_of(made).page and "at the chosen epoch over" not in whole.page
    write_json(files[1], read_json(files[1]) | {"settings": {"images": 64}})
    page = report_of(made).page
    assert words not in page and "over other training images for some" in page


def test_a_width_that_was_found_for_a_number_of_parameters_stands_with_what_was_run(mixed: Report) -> None:
    words = "channels 14: 7,728 of 8,000 parameters asked for, -3.4 %"
    for text in (mixed.page, mixed.markdown):
        assert words in text[text.index("What was run") :].partition("The whole config")[0]
        assert text.count("parameters asked for") == 1, "and of no other variant"


def test_a_section_without_content_is_neither_shown_nor_linked(mixed: Report) -> None:
    assert "Completions</h4>" not in mixed.page and 'href="#data-digits-samples"' in mixed.page
    assert mixed.markdown.count("### Cost") == 0, "nothing was measured"


@pytest.mark.parametrize("content", [None, Content({"words": "<b>&</b>"})])
def test_foreign_text_in_a_template_of_ones_own_is_text(tmp_path: Path, content: Content | None) -> None:
    made = made_up.benchmark(tmp_path, variants={"a": {"model": "a"}}, seeds=[0])
    html, markdown = "<p>{{ words }} of {{ material.name }}</p>", "{{ words | md }}"
    of_dataset = OfDataset("own", "Own", html, markdown, build=lambda _: content)
    of_benchmark = OfBenchmark("all", "All", "<p>{{ words }} of {{ total }}</p>", "", build=lambda _: content)
    with sections(of_dataset, of_benchmark):
        report = report_of(made)
    text, lines = report.page, report.markdown
    there = content is not None
    assert ("<p>&lt;b&gt;&amp;&lt;/b&gt; of digits</p>" in text) == there
    assert ("<p>&lt;b&gt;&amp;&lt;/b&gt; of 1</p>" in text) == there
    assert ('href="#data-digits-own"' in text) == ('href="#all"' in text) == there
    assert ("&lt;b&gt;" in lines) == there and "<b>" not in text


def test_a_report_of_many_variants_folds_what_would_fill_screens(tmp_path: Path) -> None:
    """A row a claim however many pairs it fits, the best of each architecture, the best on top."""
    models = ("pixelcnn", "attention", "gated_pixelcnn")
    variants = {
        f"{m}-{c}": {"model": m, "hyperparameters": {"channels": c}} for m in models for c in range(7)
    }
    made = made_up.benchmark(tmp_path, variants=variants, seeds=[0, 1])
    made_up.write_all(made)
    report = report_of(made)
    page = report.page
    findings = page[page.index('<table class="findings">') :]
    findings = findings[: findings.index("</table>")]
    claims = re.findall(r'<th scope="row">([^<]*)<small class="below">49 pairs of variants', findings)
    assert len(claims) == len(set(claims)) == findings.count("<tr>") - 1 >= 4
    assert findings.count("<li>") == 49 * len(claims)
    shown = report.variants.sort_values("rank")
    grouped = page[page.index('<table class="grouped">') :]
    for model in models:
        best = shown[shown.model == model].index[0]
        assert re.search(rf'{model}</th><td class="num">7</td><td>{best}</td>', grouped)
    assert "The 16 best of 21 variants; the table has all." in page and page.count('class="scroll long"') >= 3
    rows = [line for line in report.markdown.splitlines() if "49 pairs of variants" in line]
    assert len(rows) == len(claims)


def test_a_recipe_that_mirrors_images_says_so_on_the_page_and_in_mlflow(tmp_path: Path) -> None:
    mirrored = {"epochs": 4, "augment": {"flip": "horizontal"}}
    variants = {"gated": {"model": "gated_pixelcnn"}, "plain": {"model": "x", "training": {"augment": None}}}
    made = made_up.benchmark(tmp_path, seeds=[0], variants=variants, training=mirrored)
    assert ("augment", "flip horizontal") in provenance.common_recipe(made)
    assert [recipe.training for recipe in provenance.recipes(made)] == [[], [("augment", "none")]]
    said = ({"training.augment.flip": "horizontal"}, {"training.augment": "null"})
    for spec, params in zip(made.runs(), said, strict=True):
        folder = RunFolder(made_up.write_run(made, spec, nll=20.0))
        view = read_view(folder, spec, made, folder_of(made).config)
        assert view is not None and params.items() <= view.params.items()
