"""Which trial is chosen, and the config that is written of it, from records that were made up."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
import yaml
from support.config import GOOD, resolved

from pixelcnn.cli import main
from pixelcnn.config.reading import benchmark_from, load_benchmark
from pixelcnn.results.folder import folder_of
from pixelcnn.results.records import TrialRecord
from pixelcnn.scheduling.freshness import tuned_is_current
from pixelcnn.scheduling.planning import resolve
from pixelcnn.scheduling.resolution import key_of
from pixelcnn.system.files import write_json
from pixelcnn.tuning.choice import outcomes_of
from pixelcnn.tuning.trials import trials_of
from pixelcnn.tuning.writing import tuned_benchmark

SPACE = {
    "training.learning_rate": {"low": 1e-3, "high": 3e-2, "scale": "log"},
    "hyperparameters.blocks": {"choices": [1, 2, 3]},
}
VARIANTS = {**GOOD["variants"], "independent": {"model": "independent"}}
#: Validation NLL by variant, trial and seed; None: failed. A trial with one failed seed has failed.
NLL = {
    "base": [(30, 32), (10, None), (29, 31), (None, None)],
    "cond": [(20, 20), (21, 21), (22, 22), (20, 20)],
    "independent": [(None, None), (50, 52), (1e9, 1e9), (53, 52)],
}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A benchmark of trials in the folder where commands run, each of which ended."""
    monkeypatch.chdir(tmp_path)
    tuning = {"trials": 4, "seeds": [7, 8], "space": SPACE}
    written = {**GOOD, "variants": VARIANTS, "note": "A note.", "threads": 2, "tuning": tuning}
    trials = trials_of(resolved(written))
    write_json(folder_of(trials).config, trials.to_json())
    for name, by_trial in NLL.items():
        for number, losses in enumerate(by_trial):
            for seed, nll in zip((7, 8), losses, strict=True):
                write_trial(trials, f"{name}.t{number:02d}", seed, nll)
    return trials


def write_trial(trials, variant, seed, nll):
    spec = trials.run("small", variant, seed)
    status, error = ("failed", "RunFailed: NaN") if nll is None else ("finished", None)
    run = folder_of(trials).run_of(spec)
    TrialRecord(spec.digest, "0" * 64, status, nll, 10.0, error).write(run.trial_file)
    # What a test image says would be another choice, if anyone looked.
    run.metrics_file.write_text("damaged", encoding="utf-8")


def test_the_lowest_validation_nll_is_chosen_and_no_failed_trial(made, capsys):
    assert main(["tuned", str(folder_of(made).path)]) == 0
    said = capsys.readouterr().out
    config = load_benchmark(folder_of(made).tuned)
    planned = {(trial.variant, trial.number): trial.values for trial in made.tunes.tuning.planned}
    for name, number in {"base": 2, "independent": 1}.items():
        values, variant = planned[name, number], config.variants[name]
        assert variant.training == {"learning_rate": values["training.learning_rate"]}
        for key in variant.hyperparameters.keys() & {"blocks"}:
            assert variant.hyperparameters[key] == values[f"hyperparameters.{key}"]
    assert config.variants["cond"] == made.tunes.variants["cond"], "of equals the first one: as written"
    # Best first, failed ones last, with their reasons.
    base = said[said.index("base") : said.index("cond")].splitlines()[1:]
    assert [line.split()[:2] for line in base] == [
        *(["30.000", "t02"], ["31.000", "t00"], ["failed", "t01"], ["failed", "t03"])
    ]
    assert "RunFailed: NaN" in base[-1] and "(as written)" in base[1]


def test_the_config_that_is_written_is_a_whole_benchmark_of_its_own_that_says_where_it_is_from(made):
    assert main(["tuned", str(folder_of(made).path)]) == 0
    config, original = resolve(load_benchmark(folder_of(made).tuned)), made.tunes
    assert (config.benchmark, config.tuning, config.tunes) == ("b-tuned", None, None)
    assert (config.seeds, config.threads, config.datasets) == (original.seeds, 2, original.datasets)
    assert config.training == original.training
    assert config.note == "A note."
    text = folder_of(made).tuned.read_text(encoding="utf-8")
    comment = text.partition("benchmark:")[0]
    assert "  base: trial 2, 30.000 (as written: 31.000); training.learning_rate=" in comment
    assert "  independent: trial 1, 51.000 (as written: failed)" in comment
    assert "4 trials of each variant" in " ".join(comment.split())
    with folder_of(made).trials.open(newline="", encoding="utf-8") as stream:
        rows = {(row["variant"], row["trial"]): row for row in csv.DictReader(stream)}
    assert len(rows) == 12
    row = rows["base", "2"]
    said = [row[key] for key in ("status", "valid_nll", "seeds", "seconds")]
    assert said == ["finished", "30.0", "7 8", "20.0"]
    (trial,) = (t for t in original.tuning.planned if (t.variant, t.number) == ("base", 2))
    assert json.loads(row["training.learning_rate"]) == trial.values["training.learning_rate"]
    assert (rows["base", "1"]["status"], rows["base", "1"]["valid_nll"]) == ("failed", "")
    assert rows["independent", "1"]["hyperparameters.blocks"] == "", "it has no such key"


def test_a_variant_without_a_trial_that_came_to_its_end_is_named(made, capsys):
    for seed in (7, 8):
        for number in (0, 1, 2, 3):
            write_trial(made, f"cond.t{number:02d}", seed, None)
    assert main(["tuned", str(folder_of(made).path)]) == 2
    said = capsys.readouterr()
    assert "variant cond: all of its 4 trials failed" in said.err and "RunFailed: NaN" in said.err
    assert not folder_of(made).tuned.exists() and folder_of(made).trials.exists()


def test_a_trial_that_is_not_there_yet_or_is_of_another_config_is_named(made, capsys):
    run = folder_of(made).run("small", "cond.t01", 8)
    record = run.trial()
    run.trial_file.unlink()
    assert main(["tuned", str(folder_of(made).path)]) == 2
    assert "cond.t01/seed8/trial.json: not there yet" in capsys.readouterr().err
    write_json(run.trial_file, {**vars(record), "digest": "0" * 16})
    assert main(["tuned", str(folder_of(made).path)]) == 2
    assert "cond.t01/seed8/trial.json: of another config" in capsys.readouterr().err


def test_test_images_are_not_for_trials(made, capsys):
    run = [str(folder_of(made).config), "--variant", "base.t00", "--seed", "7"]
    assert main(["evaluate", *run]) == 2
    assert "base.t00/seed7: a trial of a tuning, judged by validation images alone" in (
        capsys.readouterr().err
    )


def test_every_trial_stands_in_the_config_and_changes_no_run(made):
    assert main(["tuned", str(folder_of(made).path)]) == 0
    text = folder_of(made).tuned.read_text(encoding="utf-8")
    config = resolve(load_benchmark(folder_of(made).tuned))
    assert list(config.tuned) == list(VARIANTS)
    found, planned = config.tuned["base"], made.tunes.tuning.planned
    assert (found.of, found.seeds, found.chosen, found.earlier) == ("b", (7, 8), 2, 0)
    assert [trial.valid_nll for trial in found.trials] == [31, None, 30, None]
    assert [t.values for t in found.trials] == [t.values for t in planned if t.variant == "base"]
    assert config.tuned["independent"].keys == ["training.learning_rate"]
    section = yaml.safe_load(text)["tuned"]
    assert text.count("\n    - {number: ") == 12 and section["base"]["trials"][1]["valid_nll"] is None
    assert benchmark_from(json.loads(json.dumps(config.to_json()))) == config
    without = replace(config, tuned=None)
    assert [run.digest for run in config.runs()] == [run.digest for run in without.runs()]
    assert key_of(config) == key_of(without) and "tuned" not in without.to_json()


def test_a_later_tuning_takes_the_place_of_what_it_tunes_again(made):
    first = tuned_benchmark(made.tunes, outcomes_of(folder_of(made), made))
    again = [one for one in outcomes_of(folder_of(made), made) if one.trial.variant == "base"]
    again = [replace(one, seeds=(9,)) for one in again[:3]]
    second = tuned_benchmark(replace(first, tuning=made.tunes.tuning), again)
    assert (second.benchmark, second.tuning) == ("b-tuned-tuned", None)
    found = second.tuned["base"]
    assert (found.of, found.seeds, len(found.trials), found.earlier) == ("b-tuned", (9,), 3, 4)
    assert [second.tuned[name] == first.tuned[name] for name in VARIANTS] == [False, True, True]
    assert trials_of(replace(first, tuning=made.tunes.tuning)).tuned is None


def test_a_benchmark_that_is_no_tuning_has_nothing_to_choose_from(made, capsys):
    write_json(folder_of(made.tunes).config, made.tunes.to_json())
    assert main(["tuned", str(folder_of(made.tunes).path)]) == 2
    assert "b: no benchmark of trials; `snakemake tune` makes one" in capsys.readouterr().err
    assert main(["trial", str(folder_of(made.tunes).config), "--variant", "base", "--seed", "0"]) == 2
    assert "b: no benchmark of trials" in capsys.readouterr().err


def test_the_choice_is_current_as_long_as_the_records_are_as_they_were(made):
    assert tuned_is_current(made), "what is missing needs no second reason"
    assert main(["tuned", str(folder_of(made).path)]) == 0
    assert tuned_is_current(made)
    write_trial(made, "base.t03", 8, 3.0)
    assert not tuned_is_current(made)
