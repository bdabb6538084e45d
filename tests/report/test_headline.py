"""The first sentences, from made-up runs in which they are known."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.claims import (
    CLEAR,
    NOISE,
    VARIANTS,
    differences,
    made_of,
    sentences,
)

from benchmarks import made_up
from pixelcnn.report.claims import NLL
from pixelcnn.report.words import numbers
from pixelcnn.statistics.comparisons import Comparison


def test_sentences_about_a_clear_result(tmp_path: Path) -> None:
    first, decided, recipes, cost, claims = sentences(made_of(tmp_path, CLEAR))
    assert recipes == "No variant was tuned: all run one recipe."
    assert first.startswith(
        "attention has the lowest NLL, 22.00 nats per image: it is 1.00 nats better than dilated"
    )
    assert re.search(r"\(95 % simultaneous interval 0\.9\d to 1\.0\d, n = 3\)\.$", first)
    assert decided == "All 6 pairs of variants differ."
    assert "1.12 times" in cost and "parameters against" in cost and "of pixelcnn" in cost
    assert claims.startswith("Of 9 claims that were put to the test,") and "2 could not be tested" in claims


def test_what_only_the_step_down_test_decides_is_said_to_be_so() -> None:
    found = Comparison(-0.2, (3, 3), low=-0.5, high=0.1, p=0.04)
    assert numbers(found, 1).endswith(
        "0.5 lower to 0.1 higher, n = 3; certain by the sharper step-down test alone"
    )
    assert "step-down" not in numbers(replace(found, high=-0.1), 1)


def test_what_is_undecided_is_said_with_its_names(tmp_path: Path) -> None:
    first, decided, *_ = sentences(made_of(tmp_path, NOISE))
    assert ". That it is " in first and "is undecided, and so is whether it is lower than that of" in first
    assert all(name in first for name in NOISE)
    assert decided == "Of 6 pairs of variants 6 are undecided."
    conditional = {"conditional": (20.0, 20.1, 20.0), "pixelcnn": NOISE["pixelcnn"]}
    first = sentences(made_of(tmp_path / "other", conditional))[0]
    assert first.startswith("conditional has the lowest label-marginalised NLL, 20.43")


def test_a_further_look_is_stricter_and_says_so(tmp_path: Path) -> None:
    made = made_of(tmp_path, {**NOISE, "attention": (22.6, 22.9, 22.7)})
    first = differences(made).of(NLL)["attention", "pixelcnn"]
    second = differences(made, look=2).of(NLL)["attention", "pixelcnn"]
    assert first.p is not None and second.p == pytest.approx(min(1.0, first.p * 0.04 / 0.0075))
    assert first.low is not None and second.low is not None and second.low < first.low
    decided = sentences(made, look=2)[1]
    assert "This is the second look at these variants, after one at 3 seeds: verdicts are stricter" in decided


def test_an_interval_is_that_of_the_best_variant_which_the_sentence_is_about(tmp_path: Path) -> None:
    first = sentences(made_of(tmp_path, {"pixelcnn": (24.0, 24.3, 23.8), "attention": (23.6, 24.4, 22.7)}))[0]
    interval = re.search(
        r"That it is 0.47 nats lower than that of pixelcnn "
        r"\(95 % simultaneous interval ([\d.]+) lower to ([\d.]+) higher",
        first,
    )
    assert interval and float(interval[1]) - float(interval[2]) == pytest.approx(2 * 0.47, abs=0.02)


@pytest.mark.parametrize("names", [["pixelcnn"], ["pixelcnn", "attention"], list(VARIANTS)])
@pytest.mark.parametrize(("seeds", "costs"), [(1, True), (2, True), (3, True), (1, False), (3, False)])
def test_sentences_with_missing_pieces(tmp_path: Path, seeds: int, names: list[str], costs: bool) -> None:
    made = made_of(tmp_path, {name: CLEAR[name] for name in names}, seeds=seeds, costs=costs)
    found = sentences(made)
    assert 3 <= len(found) <= 5
    assert not any(word in " ".join(found) for word in ("None", "nan", "inf "))
    if len(names) == 1:
        assert "only variant with results so far" in found[0]
    elif seeds == 1:
        assert "only two seeds of each can tell that from chance (n = 1)" in found[0]
    if not costs and len(names) > 1:
        assert any("was not timed" in sentence for sentence in found)


def test_the_best_is_so_for_certain_only_if_every_other_was_tested_and_lost(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={name: VARIANTS[name] for name in CLEAR})
    for name, values in CLEAR.items():
        for seed, nll in enumerate(values[:1] if name == "conditional" else values):
            made_up.write_run(made, made.run("digits", name, seed), nll=nll)
    first = sentences(made)[0]
    assert first.endswith(" Whether it is better than conditional is undecided.")
