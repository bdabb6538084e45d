"""Which report is another look at the same variants, and which is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.reports import report_of

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import collect
from pixelcnn.report.looks import Look, look_at, note_looks, read_looks
from pixelcnn.results.folder import folder_of
from pixelcnn.system.errors import UserError

A, B, C = {"model": "pixelcnn"}, {"model": "gated"}, {"model": "attention"}
EDITED = {"model": "gated", "training": {"learning_rate": 1e-4}}


def made_with(root: Path, seeds: int, ended: int | None = None, **variants: Any) -> Benchmark:
    """A benchmark of so many seeds, of which the first `ended` have a result."""
    made = made_up.benchmark(root, seeds=list(range(seeds)), variants=variants or {"a": A, "b": B})
    for spec in made.runs():
        if spec.seed < (seeds if ended is None else ended):
            nll = 21.0 + 0.1 * (spec.seed % 2) + ord(spec.variant_name[0]) % 3 + 0.03 * spec.seed
            made_up.write_run(made, spec, nll=nll, sampled=False)
    return made


def look(made: Benchmark) -> Look:
    """The look that a report is, which it notes."""
    folder = folder_of(made)
    (dataset,), noted = collect(folder.path).datasets, read_looks(folder)
    found = look_at(dataset, noted.get("digits", []))
    note_looks(folder, [dataset], noted)
    return found


def test_more_seeds_make_a_second_and_stricter_look(tmp_path: Path) -> None:
    first = report_of(made_with(tmp_path, 3))
    assert set(pd.read_csv(first.folder / "pairs.csv").look) == {1} and "look at these" not in first.page
    second = report_of(made_with(tmp_path, 6))
    assert set(pd.read_csv(second.folder / "pairs.csv").look) == {2}
    assert "This is the second look at these variants, after one at 3 seeds: verdicts" in second.page
    assert look(made_with(tmp_path, 6)) == Look(2, (3,)) and look(made_with(tmp_path, 9)) == Look(3, (3, 6))
    assert look(made_with(tmp_path, 3)) == Look(1), "what the first look said stays as it was"
    folder_of(made_with(tmp_path, 6)).looks.unlink()
    assert look(made_with(tmp_path, 6)) == Look(1)


def test_reports_while_runs_come_in_are_the_same_look(tmp_path: Path) -> None:
    assert (
        look(made_with(tmp_path, 6, ended=1)) == look(made_with(tmp_path, 6, ended=3)) == Look(interim=True)
    )
    page = report_of(made_with(tmp_path, 6, ended=3)).page
    assert "Runs are still to come: verdicts are provisional" in page
    assert look(made_with(tmp_path, 6)) == Look(1)


def test_who_stops_at_an_interim_report_has_looked(tmp_path: Path) -> None:
    look(made_with(tmp_path, 12, ended=3))
    assert look(made_with(tmp_path, 3)) == Look(2, (12,))


def test_a_run_that_is_tried_again_or_trained_anew_is_no_look(tmp_path: Path) -> None:
    made = made_with(tmp_path, 4)
    made_up.write_run(made, made.run("digits", "a", 3), status="failed")
    assert look(made) == Look(1)
    assert look(made_with(tmp_path, 4)) == Look(1)
    (folder_of(made).run_of(made.run("digits", "b", 0)).path / "metrics.json").write_text(
        "{", encoding="utf-8"
    )
    assert look(made) == Look(interim=True) and look(made_with(tmp_path, 4)) == Look(1)


def test_a_further_variant_is_no_look_and_a_changed_one_is_another_variant(tmp_path: Path) -> None:
    assert look(made_with(tmp_path, 3)) == look(made_with(tmp_path, 3, a=A, b=B, c=C)) == Look(1)
    # a was compared with another b by then, and is compared with this one for the first time.
    assert look(made_with(tmp_path, 3, a=A, b=EDITED)) == Look(1)
    assert look(made_with(tmp_path, 6, a=A, b=EDITED)) == Look(2, (3,))
    assert look(made_with(tmp_path / "c", 3)) == Look(1)
    for _ in range(2):
        assert look(made_with(tmp_path / "c", 5, a=A, c=C)) == Look(1), "never compared before"


def test_other_names_make_no_other_variants(tmp_path: Path) -> None:
    look(made_with(tmp_path, 3))
    assert look(made_with(tmp_path, 5, plain=A, gated=B)) == Look(2, (3,))


@pytest.mark.parametrize("content", ["[]", "{", '{"digits": [{"a": 1}]}', '{"digits": [{"a": [null]}]}'])
def test_a_damaged_note_of_looks_is_named(tmp_path: Path, content: str) -> None:
    made = made_with(tmp_path, 2)
    folder_of(made).looks.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"looks\.json: damaged"):
        report_of(made)
