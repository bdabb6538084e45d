"""What MLflow should hold of the trials of a tuning."""

from __future__ import annotations

import json
from dataclasses import replace

from benchmarks.made_up import benchmark, write_run
from pixelcnn.config.tuning import Dimension, Trial, TuningSpec
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.system.files import write_json
from pixelcnn.tracking.layout import experiment_tags
from pixelcnn.tracking.view import read_view
from pixelcnn.tuning.trials import trials_of


def test_trials_are_told_apart_by_what_they_try_and_ranked_by_what_they_are_judged_by(tmp_path):
    made = benchmark(tmp_path, variants={"gated": {"model": "gated_pixelcnn"}}, seeds=[0])
    key = "training.learning_rate"
    planned = tuple(Trial("gated", number, {key: rate}) for number, rate in enumerate((0.02, 0.01)))
    tuning = TuningSpec({key: Dimension(1e-3, 0.1)}, (7,), 2, planned=planned)
    trials = trials_of(replace(made, tuning=tuning))
    config = folder_of(trials).config
    write_json(config, trials.to_json())
    rates, tags = [], []
    for spec in trials.runs():
        view = read_view(RunFolder(write_run(trials, spec)), spec, trials, config)
        rates.append(view.params[key])
        tags.append([view.tags[name] for name in ("variant", "tuned", "trial", "seed")])
    assert rates == ["0.02", "0.01"]
    assert tags == [["gated.t00", "gated", "0", "7"], ["gated.t01", "gated", "1", "7"]]
    shown = json.loads(experiment_tags(trials)["mlflow.sharedViewState.pixelcnn"])
    assert shown["orderByKey"] == "metrics.`best_valid_nll`" and shown["orderByAsc"]
    assert f"params.`{key}`" in shown["selectedColumns"]
    assert "metrics.`comparable_nll`" not in shown["selectedColumns"], (
        "a test result, which trials have none of"
    )
