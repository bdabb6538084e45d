"""The trials of a tuning as a benchmark of its own."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from support.config import changed, resolved

from pixelcnn.config.reading import benchmark_from
from pixelcnn.system.errors import ConfigError
from pixelcnn.tuning.trials import trials_of

SPACE = {
    "training.learning_rate": {"low": "1e-3", "high": 3e-2, "scale": "log"},
    "training.batch_size": {"choices": ["16", 32]},
    "hyperparameters.blocks": {"low": 1, "high": 3},
}
VARIANTS = {
    "base": {"model": "pixelcnn", "hyperparameters": {"channels": 4, "blocks": 1}},
    "own": {"model": "gated", "training": {"learning_rate": 0.5}, "hyperparameters": {"channels": 4}},
    "independent": {"model": "independent"},
}


def tuning(**values):
    found = changed("tuning", {"trials": 5, "seeds": [1000, 1001], "space": SPACE} | values)
    return found | {"variants": VARIANTS}


@pytest.fixture(scope="module")
def benchmark():
    return resolved(tuning())


def values(benchmark, variant):
    """What the trials of a variant are trained with, of the keys of the space."""
    (dataset,), seed = benchmark.datasets, benchmark.seeds[0]
    runs = [benchmark.run(dataset, n, seed) for n in benchmark.variants if n.rpartition(".")[0] == variant]
    return [
        (run.training.learning_rate, run.training.batch_size, run.variant.hyperparameters.get("blocks"))
        for run in runs
    ]


def test_every_variant_has_as_many_trials_at_the_same_points_but_for_the_keys_it_lacks(benchmark):
    trials = trials_of(benchmark)
    assert trials.benchmark == "b-tuning" and trials.seeds == (1000, 1001)
    assert list(trials.variants) == [f"{name}.t{n:02d}" for name in VARIANTS for n in range(5)]
    base, own, independent = (values(trials, name) for name in VARIANTS)
    assert base[1:] == own[1:] and len(set(base[1:])) == 4
    assert independent[1:] == [(rate, batch, None) for rate, batch, _ in base[1:]]
    for rate, batch, blocks in base[1:]:
        assert 1e-3 <= rate <= 3e-2 and batch in (16, 32) and blocks in (1, 2, 3)
        assert (type(rate), type(batch), type(blocks)) == (float, int, int)


def test_the_first_trial_is_the_config_as_written(benchmark):
    trials = trials_of(benchmark)
    for name in VARIANTS:
        as_written = benchmark.run("small", name, 0)
        first = trials.run("small", f"{name}.t00", 1000)
        assert (first.variant, first.training) == (as_written.variant, as_written.training)
    said = {trial.variant: trial.values for trial in benchmark.tuning.planned if trial.number == 0}
    assert said == {
        "base": {"training.learning_rate": 0.02, "training.batch_size": 16, "hyperparameters.blocks": 1},
        "own": {"training.learning_rate": 0.5, "training.batch_size": 16, "hyperparameters.blocks": 5},
        "independent": {"training.learning_rate": 0.02, "training.batch_size": 16},
    }


def test_tuning_changes_no_run_of_the_benchmark_and_survives_being_written(benchmark):
    without = tuning()
    del without["tuning"]
    plain = resolved(without)
    assert [run.digest for run in plain.runs()] == [run.digest for run in benchmark.runs()]
    assert {"tuning", "tunes"}.isdisjoint(plain.to_json()), "and none that has none is described otherwise"
    for one in (benchmark, trials_of(benchmark)):
        again = benchmark_from(json.loads(json.dumps(one.to_json())))
        assert again == one and again.to_json() == one.to_json()
        assert trials_of(again) == trials_of(benchmark)


def test_trials_may_train_for_a_share_of_each_budget():
    changes = tuning(share=0.1)
    changes["training"] = changes["training"] | {"epochs": 10, "warmup_steps": 55}
    changes["variants"] = VARIANTS | {"own": VARIANTS["own"] | {"training": {"images": 1234}}}
    whole = resolved(changes)
    budgets = {
        name: (found.training.epochs, found.training.images, found.training.warmup_steps)
        for name in trials_of(whole).variants
        for found in [trials_of(whole).run("small", name, 1000)]
    }
    assert budgets == {
        f"{name}.t{n:02d}": (None, 123, 6) if name == "own" else (1, None, 6)
        for name in VARIANTS
        for n in range(5)
    }
    assert whole.run("small", "own", 0).training.images == 1234, "the benchmark has the whole budget"
    again = benchmark_from(json.loads(json.dumps(trials_of(whole).to_json())))
    assert trials_of(again) == trials_of(whole)
    changes["training"] |= {"epochs": 15}
    with pytest.raises(ConfigError, match=r"tuning\.share: 0\.1 of the 15 epochs of base\.t00 is no"):
        trials_of(resolved(changes))


def test_lists_may_be_chosen_among():
    space = {"hyperparameters.dilations": {"choices": [[1], [1, 2, 4]]}}
    planned = resolved(tuning(space=space)).tuning.planned
    assert {trial.variant for trial in planned} == {"base"}
    tried = [trial.values["hyperparameters.dilations"] for trial in planned]
    assert tried[0] == [1] and [1, 2, 4] in tried[1:] and [1] in tried[1:]


def test_more_trials_keep_the_earlier_ones(benchmark):
    more = trials_of(resolved(tuning(trials=7)))
    earlier = {run.digest for run in trials_of(benchmark).runs()}
    assert earlier < {run.digest for run in more.runs()}
    assert len(more.runs()) - len(earlier) == 2 * 2 * len(VARIANTS)


def test_a_variant_without_any_key_of_the_space_or_that_is_not_named_is_left_as_it_is():
    only = resolved(tuning(space={"hyperparameters.blocks": SPACE["hyperparameters.blocks"]}))
    assert {trial.variant for trial in only.tuning.planned} == {"base", "own"}
    named = resolved(tuning(variants=["own"]))
    assert {trial.variant for trial in named.tuning.planned} == {"own"}
    assert named.tuning.planned[1:] == tuple(
        trial for trial in resolved(tuning()).tuning.planned if trial.variant == "own" and trial.number > 0
    )


def test_every_trial_of_a_variant_with_match_parameters_has_so_many():
    variants = {"base": {"model": "pixelcnn", "match_parameters": 20_000, "hyperparameters": {"blocks": 1}}}
    space = {key: SPACE[key] for key in ("training.learning_rate", "hyperparameters.blocks")}
    made = resolved(tuning(space=space, trials=4) | {"variants": variants})
    trials = trials_of(made)
    again = benchmark_from(json.loads(json.dumps(trials.to_json())))
    assert again == trials and trials_of(again.tunes) == trials
    runs = [trials.run("small", name, 1000) for name in trials.variants]
    shapes = {run.variant.hyperparameters["blocks"]: run.variant.hyperparameters["channels"] for run in runs}
    assert shapes[1] > shapes[2] > shapes[3]
    assert all(abs(trials.match("small", name).parameters - 20_000) < 2000 for name in trials.variants)
    # As in the config that is written of the one chosen, whose width is found again.
    name = "base.t03"
    written = changed("variants", {"x": asdict(trials.variants[name])}) | {"seeds": [1000]}
    assert resolved(written).run("small", "x", 1000).digest == trials.run("small", name, 1000).digest
    with pytest.raises(
        ConfigError, match=r"tuning\.space\.hyperparameters\.channels: variant base has match_"
    ):
        resolved(tuning(space={"hyperparameters.channels": {"choices": [4, 8]}}) | {"variants": variants})
    deep = {"hyperparameters.head_channels": {"choices": [5000]}}
    with pytest.raises(
        ConfigError, match=r"variant base at {hyperparameters\.head_channels: 5000}: match_par"
    ):
        resolved(tuning(space=deep) | {"variants": variants})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seeds": [1000, 1]}, r"tuning\.seeds: 1 is one of the seeds of the final runs"),
        ({"seeds": [5, 5]}, r"tuning\.seeds: each may stand once"),
        ({"space": {}}, r"tuning\.space: needs at least one entry"),
        ({"trials": 1}, r"tuning\.trials: must be at least 2"),
        ({"variants": ["nobody"]}, r"tuning\.variants: 'nobody' is not in the config"),
        (
            {"space": {"learning_rate": {"choices": [1]}}},
            r"tuning\.space\.learning_rate: expected training\.KEY",
        ),
        (
            {"space": {"training.learning_rat": {"choices": [1]}}},
            r"tuning\.space\.training\.learning_rat: unknown key; did you mean 'learning_rate'",
        ),
        (
            {"space": {"hyperparameters.chanels": {"choices": [1]}}},
            r"tuning\.space\.hyperparameters\.chanels: no variant has it; did you mean 'channels'",
        ),
        (
            {"space": {"hyperparameters.channels": {"choices": [4, 0]}}, "trials": 9},
            r"tuning\.space\.hyperparameters\.channels: must be at least 1, got 0 \(variant base\)",
        ),
        (
            {"space": {"training.ema_decay": {"low": 0.9, "high": 1.5}}, "trials": 9},
            r"tuning\.space\.training\.ema_decay: must be between 0 and 0.99",
        ),
        (
            {"space": {"training.optimizer": {"low": 1, "high": 2}}},
            r"tuning\.space\.training\.optimizer: variant base takes no number there: give choices",
        ),
        (
            {"space": {"training.epochs": [1, 2]}},
            r"tuning\.space\.training\.epochs: expected keys and values",
        ),
        ({"space": {"training.epochs": {"low": 1}}}, r"training\.epochs\.high: missing"),
        ({"space": {"training.epochs": {"low": 2, "high": 2}}}, r"low: must be below high"),
        ({"space": {"training.epochs": {"low": 0, "high": 2, "scale": "log"}}}, r"low: must be above 0"),
        ({"space": {"training.epochs": {"low": 1, "high": 2, "choices": [1]}}}, r"choices: either these or"),
    ],
)
def test_what_cannot_be_tuned_is_refused_by_its_name(wrong, said):
    with pytest.raises(ConfigError, match=said):
        resolved(tuning(**wrong))


def test_a_tuning_needs_one_dataset_and_a_description():
    with pytest.raises(ConfigError, match="tuning: needs one dataset"):
        two = tuning()
        resolved(two | {"datasets": two["datasets"] | {"other": {"source": "mnist5k"}}})
    with pytest.raises(ConfigError, match="tuning: not in the config; say what to try"):
        trials_of(resolved())
