"""How many more seeds, what they cost, and the line for the config."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import made_up
from pixelcnn.cli import main
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.tuned import TrialResult, TunedVariant
from pixelcnn.config.tuning import Dimension, TuningSpec
from pixelcnn.report.collect import collect
from pixelcnn.report.differences import differences_of
from pixelcnn.report.more_seeds import SeedPlan, config_line, plan_seeds
from pixelcnn.report.pairs import compare_pairs
from pixelcnn.report.text import duration
from pixelcnn.results.folder import folder_of
from pixelcnn.statistics.seeds_needed import seeds_needed
from pixelcnn.system.files import write_json

#: By seed: b is a little above a, c far above both, with the same scatter around what a seed does to all.
VALUES = {"a": (24.0, 24.4, 23.7), "b": (24.2, 24.4, 24.0), "c": (30.1, 30.4, 29.7)}


@pytest.fixture
def made(tmp_path: Path) -> Benchmark:
    made = made_up.benchmark(tmp_path, variants={name: {"model": "pixelcnn"} for name in VALUES})
    for spec in made.runs():
        made_up.write_run(
            made, spec, nll=VALUES[spec.variant_name][spec.seed], record_values={"wall_seconds": 60.0}
        )
    return made


def planned(made: Benchmark, margin: float = 0.005) -> SeedPlan:
    (dataset,) = collect(folder_of(made).path).datasets
    asked = replace(made, report=replace(made.report, equivalent_within=margin))
    return plan_seeds(compare_pairs(differences_of(dataset, asked, {})), dataset, asked)


def test_what_is_undecided_and_the_next_free_seeds(made: Benchmark) -> None:
    plan = planned(made)
    (one,) = plan.undecided
    (dataset,) = collect(folder_of(made).path).datasets
    needed = seeds_needed(compare_pairs(differences_of(dataset, made, {})).seeds["a", "b"], look=2)
    assert needed and one.pair == ("a", "b") and (one.more, one.decides) == (needed.more, needed.decides)
    assert plan.more == one.more > 0 and plan.next_look == 2
    assert config_line(made, 3) == "seeds: [0, 1, 2, 3, 4, 5]"
    # 60 s of training, 0.5 s of evaluation and what the analysis took, for each of three variants.
    analysed = {run.analysis.seconds for run in dataset.runs if run.analysis}
    assert plan.seconds == pytest.approx(3 * (60.5 + sum(analysed) / len(analysed)))


def test_seeds_of_trials_are_left_out(made: Benchmark) -> None:
    tuning = TuningSpec({"training.learning_rate": Dimension(choices=(1,))}, seeds=(3, 5))
    trial = TrialResult(number=0, valid_nll=1.0, values={"training.learning_rate": 0.1})
    tuned = TunedVariant(of="toy", seeds=(6,), chosen=0, trials=(trial,))
    assert config_line(replace(made, tuning=tuning, tuned={"a": tuned}), 2) == "seeds: [0, 1, 2, 4, 7]"


def test_seeds_that_are_asked_for_already_are_no_more_seeds(made: Benchmark) -> None:
    needed = planned(made).undecided[0].more
    assert needed
    more = replace(made, seeds=tuple(range(3 + needed)))
    write_json(folder_of(made).config, more.to_json())
    plan = planned(more)
    assert plan.more == plan.undecided[0].more == 0
    assert plan.undecided[0].words.endswith("the seeds still to come would find a difference of that size")


def test_what_a_hundred_seeds_would_not_decide_is_out_of_reach(made: Benchmark) -> None:
    for seed, nll in enumerate((24.001, 24.399, 23.9)):
        made_up.write_run(made, made.run("digits", "b", seed), nll=nll - 0.0667)
    plan = planned(made, margin=0.0)
    (one,) = plan.undecided
    assert (one.more, plan.more) == (None, 0)
    assert one.words.endswith("nats apart: out of reach, a hundred seeds would not decide it")


def test_the_command_says_pairs_minutes_and_the_line_of_the_config(
    made: Benchmark, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(6)))
    plan, folder = planned(made), folder_of(made)
    assert main(["seeds", str(folder.path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("digits: Of 3 pairs of variants 2 differ and 1 is undecided (a against b).\n")
    more = f"{plan.more} more seeds (about {duration(plan.more * plan.seconds)} of runs)"
    assert f"a against b, 0.17 nats apart: {more} would find a difference of that size" in said
    assert f"{duration(plan.more * plan.seconds / 6)} with 6 runs at once. In the config" in said
    assert f"  {config_line(made, plan.more)}\n" in said and "second look" in said
    assert folder.looks.is_file(), "who asks has looked"
    for seed in range(3):
        made_up.write_run(made, made.run("digits", "b", seed), nll=27.0 + VALUES["a"][seed] - 24)
    assert main(["seeds", str(folder.path)]) == 0
    assert capsys.readouterr().out == "digits: All 3 pairs of variants differ.\n"
    assert main(["seeds", str(folder.path / "none")]) == 2


def test_one_seed_asks_for_a_second(made: Benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(folder_of(made).config, replace(made, seeds=(1,)).to_json())
    assert main(["seeds", str(folder_of(made).path)]) == 0
    said = capsys.readouterr().out
    assert "a test takes two finished seeds of each variant" in said and "  seeds: [1, 2]\n" in said
    assert "look" not in said, "nothing was compared yet"
