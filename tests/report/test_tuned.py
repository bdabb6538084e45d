"""Tuning, told: who was tuned and by how many trials, and what the trials show."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from support.reports import Report, report_of

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.tuned import TrialResult, TunedVariant
from pixelcnn.report.collect import collect
from pixelcnn.report.compare import rank
from pixelcnn.report.figures import tuning as figures
from pixelcnn.report.sections.tuning import at_edge
from pixelcnn.report.tuned import tuned_sentence
from pixelcnn.results.folder import folder_of

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"model": "pixelcnn", "training": {"learning_rate": 0.001}},
    "gated": {"model": "gated_pixelcnn", "conditional": True},
    "far": {"model": "independent"},
}
RATES = (0.02, 0.001, 0.01, 0.1)
#: By trial; None: failed. Of plain the first of these rates diverges; that of gated is its best.
NLL: dict[str, tuple[float | None, ...]] = {
    "plain": (1e9, 20.5, 21.0, 22.5),
    "gated": (20.0, 20.3, None, None),
    "far": (90.1, 90.3, 90.0, 90.2),
}


def tuned(name: str, **changed: Any) -> TunedVariant:
    trials = tuple(
        TrialResult(number=n, valid_nll=nll, values={"training.learning_rate": rate})
        for n, (rate, nll) in enumerate(zip(RATES, NLL[name], strict=True))
    )
    chosen = min((nll, n) for n, nll in enumerate(NLL[name]) if nll is not None)[1]
    return replace(TunedVariant(of="toy", seeds=(7,), chosen=chosen, trials=trials), **changed)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Two of three variants tuned; the recipe of one was edited since."""
    said = {name: tuned(name) for name in ("plain", "gated")}
    made = made_up.benchmark(
        tmp_path_factory.mktemp("tuned"),
        variants=VARIANTS,
        seeds=[0],
        training={"epochs": 12, "learning_rate": 0.05},
        tuned={name: asdict(found) for name, found in said.items()},
    )
    made_up.write_all(made)
    return report_of(made, figures=True)


def benchmark(report: Report, **changed: Any) -> Benchmark:
    return replace(report.benchmark, **{"tuned": None, **changed})


def test_the_first_lines_say_who_was_tuned_and_how(report: Report) -> None:
    how = "learning rate by 4 trials each, chosen by validation NLL at seed 7"
    assert tuned_sentence(report.benchmark) == (
        f"plain and gated were tuned ({how}); far runs the recipe as written. "
        "Not as chosen, but edited since: learning rate of gated."
    )
    whole = {name: tuned(name, chosen=1) for name in VARIANTS}
    as_chosen = {
        n: replace(v, training={"learning_rate": 0.001}) for n, v in report.benchmark.variants.items()
    }
    sentence = tuned_sentence(benchmark(report, tuned=whole, variants=as_chosen))
    assert sentence == f"All 3 variants were tuned: {how}."
    shorter = {name: replace(found, share=0.1) for name, found in whole.items()}
    sentence = tuned_sentence(benchmark(report, tuned=shorter, variants=as_chosen))
    assert "by 4 trials each on 10 % of the budget, chosen" in sentence
    shorter["far"] = whole["far"]
    sentence = tuned_sentence(benchmark(report, tuned=shorter, variants=as_chosen))
    assert "by 4 trials each on 10 % to 100 % of the budget, chosen" in sentence
    more = TrialResult(number=4, valid_nll=19.0, values={"training.learning_rate": 0.3})
    unequal = (*whole["far"].trials, more)
    whole |= {"far": replace(whole["far"], trials=unequal), "gated": replace(whole["gated"], seeds=(7, 8))}
    sentence = tuned_sentence(benchmark(report, tuned=whole, variants=as_chosen))
    assert "by 4 to 5 trials (not equally many)" in sentence and "at different seeds" in sentence


def test_that_nobody_was_tuned_is_said_too(report: Report) -> None:
    own = benchmark(report)
    assert tuned_sentence(own) == "No variant was tuned by this benchmark: the recipes are the config's."
    alike = {name: replace(variant, training={}) for name, variant in own.variants.items()}
    assert tuned_sentence(replace(own, variants=alike)) == "No variant was tuned: all run one recipe."


def test_the_table_says_what_tuning_brought_and_what_is_at_the_edge(report: Report) -> None:
    assert '<a href="#data-digits-tuning">' in report.page and "Not tuned: far." in report.page
    section = report.markdown.partition("### Tuning")[2].partition("Validation NLL of the trials")[0]
    rows = [line for line in section.splitlines() if line.startswith(("| plain", "| gated"))]
    found = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in rows}
    assert found["plain"] == ["4", "1e+09", "20.50", "1e+09", "1.25", "0.001 (lowest tried)"]
    assert found["gated"] == [
        *("4 (2 failed)", "20.00", "20.00", "0.00", "failed"),
        "0.02 (edited since: 0.05)",
    ]
    assert (
        "Most sensitive to the values that were tried: gated, whose median trial failed." in report.markdown
    )
    two = tuned("far", chosen=0, trials=tuned("far").trials[:2])
    assert at_edge(tuned("far", chosen=3), "training.learning_rate") == "highest tried"
    assert at_edge(two, "training.learning_rate") == "", "of two values either is at an edge"


@pytest.mark.parametrize("of", ["toy", "another"])
def test_a_recipe_that_came_out_worse_at_the_whole_budget_than_on_a_share_is_named(
    tmp_path: Path, of: str
) -> None:
    rates = {"plain": 0.001, "gated": 0.05, "far": 0.01}  # that of gated was edited since
    made = made_up.benchmark(
        tmp_path,
        variants={
            n: VARIANTS[n] | {"model": "pixelcnn", "training": {"learning_rate": rates[n]}} for n in VARIANTS
        },
        seeds=[0, 1],
        tuned={name: asdict(tuned(name, share=0.1, of=of)) for name in VARIANTS},
    )
    validation = {"plain": (20.0, 22.0), "gated": (29.0, 29.0), "far": (90.0, 90.6)}  # far: by chance
    for spec in made.runs():
        values = {"best_valid_nll": validation[spec.variant_name][spec.seed]}
        made_up.write_run(made, spec, nll=20, record_values=values)
    section = report_of(made).markdown.partition("### Tuning")[2].partition("\n### ")[0]
    cells = {
        line.split("|")[1].strip(): line.split("|")[5].strip() for line in section.splitlines() if "|" in line
    }
    assert cells["Variant"] == "Whole budget"
    assert (cells["gated"], cells["far"]) == ("29.00", "90.30")
    named = of == "toy"  # a recipe that another benchmark lent was tried on other data
    assert cells["plain"] == ("21.00 (worse than its trial)" if named else "21.00")
    sentence = "than on the share of the trials: plain. Its recipe may suit short trainings only."
    assert (sentence in section) == named


@pytest.mark.parametrize(
    ("key", "values", "shown"),
    [
        ("training.batch_size", (256, 512, 1024, 2048), ["256", "512", "1024", "2048"]),
        ("training.learning_rate", (0.005839, 0.01, 0.020354, 0.0103), ["0.00584", "0.01", "0.0204"]),
    ],
)
def test_values_that_were_tried_are_ticks_as_far_as_there_is_room(
    report: Report, key: str, values: tuple[float, ...], shown: list[str]
) -> None:
    trials = tuple(
        TrialResult(number=n, valid_nll=20.0 + n, values={key: value}) for n, value in enumerate(values)
    )
    results = rank(collect(folder_of(report.benchmark).path).datasets[0])
    drawing = figures.trials_by(key, results, {"plain": tuned("plain", trials=trials, chosen=0)})
    assert drawing is not None
    drawing.figure.draw_without_rendering()
    axes = next(axes for axes in drawing.figure.axes if axes.get_visible())
    assert [label.get_text() for label in axes.get_xticklabels()] == shown


def test_no_tuning_no_section(whole: Report) -> None:
    assert "#data-digits-tuning" not in whole.page and "### Tuning" not in whole.markdown


def test_the_figure_shows_every_trial_and_says_what_is_off_its_axis(report: Report) -> None:
    said = {name: tuned(name) for name in VARIANTS}
    assert figures.numeric_keys(said) == ["training.learning_rate"]
    results = rank(collect(folder_of(report.benchmark).path).datasets[0])
    drawing = figures.trials_by("training.learning_rate", results, said)
    assert drawing is not None
    panels = {axes.get_title(loc="left"): axes for axes in drawing.figure.axes if axes.get_visible()}
    words = {name: axes.texts[0].get_text() for name, axes in panels.items()}
    assert words == {"plain": "2 above, to 1e+09", "gated": "2 failed", "far": ""}
    marks = {
        n: [one.get_marker() for one in a.lines if one.get_ydata()[0] == figures.MARKS]
        for n, a in panels.items()
    }
    assert marks == {"plain": ["^", "^"], "gated": ["x", "x"], "far": []}
    assert "far has an axis of its own" in drawing.caption
    limits = {name: axes.get_ylim() for name, axes in panels.items()}
    assert limits["plain"] == limits["gated"] and limits["far"][0] > 80
    assert math.isclose(limits["far"][1] - limits["far"][0], limits["plain"][1] - limits["plain"][0])
    assert all(axes.get_xscale() == "log" for axes in panels.values())
    chosen = {"plain": (0.001, 20.5), "gated": (0.02, 20.0), "far": (0.01, 90.0)}
    for name, axes in panels.items():
        (ring,) = (line for line in axes.lines if line.get_markersize() == 10)
        assert (ring.get_xdata()[0], ring.get_ydata()[0]) == chosen[name]  # type: ignore[index]
