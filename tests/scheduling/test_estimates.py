"""What jobs ask a scheduler for."""

from __future__ import annotations

import math

import pytest
from support.toy import SMALL, toy

from pixelcnn.cli import main
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling import estimates
from pixelcnn.scheduling.kinds import KINDS
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system.errors import ConfigError


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """Writes a toy benchmark, plans and prepares it, and returns it."""
    monkeypatch.chdir(tmp_path)

    def plan(**overrides):
        path = str(toy(tmp_path, **overrides))
        assert main(["plan", path]) == 0 and main(["prepare", path]) == 0
        return load_resolved(path)

    return plan


def minutes(benchmark, kind="train", variant="base", **how):
    work = [(kind, benchmark.run("toy", variant, 0))]
    return estimates.minutes(benchmark, work, **{"on_gpu": False, **how})


def test_minutes_grow_with_what_there_is_to_do(planned):
    # Small steps cost 20 ms each, the process 10 s, all times the margin of 3; the start of a job 5 minutes.
    long = {"epochs": 1000, "batch_size": 16}
    steps = 1000 * math.ceil(60 / 16)
    small = minutes(planned(training=long))
    assert small == pytest.approx(5 + 3 * (10 + steps * 0.02) / 60, abs=1.5)
    assert minutes(planned(training={**long, "epochs": 4000})) > 2 * small
    wide = {"base": {"model": "pixelcnn", "hyperparameters": {**SMALL, "channels": 400}}}
    benchmark = planned(training=long, variants=wide)
    assert minutes(benchmark) > 2 * small
    assert small <= minutes(benchmark, on_gpu=True) < minutes(benchmark)


def test_a_conditional_network_is_evaluated_for_every_label(planned):
    large = {**SMALL, "channels": 300}
    variants = {name: {"model": "pixelcnn", "hyperparameters": large} for name in ("base", "cond")}
    variants["cond"]["conditional"] = True
    benchmark = planned(variants=variants)
    work = {name: [("evaluate", benchmark.run("toy", name, 0))] * 2000 for name in variants}
    asked = {name: estimates.minutes(benchmark, work[name], on_gpu=False) for name in variants}
    starts = 5 + 2000 * 3 * estimates.PROCESS_SECONDS / 60
    assert asked["cond"] - starts == pytest.approx(2 * (asked["base"] - starts), abs=3)
    assert asked["base"] > starts + 10


def test_the_config_goes_before_the_estimate(planned):
    benchmark = planned(jobs={"train": {"minutes": 90, "memory_mb": 512}})
    assert minutes(benchmark) == 90
    assert estimates.memory_mb(benchmark, ["train"]) == 512
    assert estimates.memory_mb(benchmark, ["train", "sample"]) == estimates.MEMORY_MB


def test_one_job_with_several_runs_starts_once(planned):
    benchmark = planned()
    work = [(kind, spec) for spec in benchmark.runs() for kind in KINDS if KINDS[kind].work]
    together = estimates.minutes(benchmark, work, on_gpu=False)
    single = sum(estimates.minutes(benchmark, [one], on_gpu=False) for one in work)
    assert together < single / 2
    assert estimates.minutes(benchmark, work, on_gpu=False, at_once=4) < together


def test_what_is_not_planned_is_a_missing_file_that_is_named(planned, tmp_path):
    benchmark = load_resolved(toy(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        minutes(benchmark)
    assert error.value.filename == str(folder_of(benchmark).plan)
    planned()
    added = load_resolved(toy(tmp_path, variants={"new": {"model": "independent"}}))
    with pytest.raises(FileNotFoundError) as error:
        minutes(added, variant="new")
    assert error.value.filename == str(folder_of(benchmark).plan)


def test_a_job_that_ends_before_it_is_asked_to_stop_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"jobs\.train\.minutes: must be at least 2"):
        load_resolved(toy(tmp_path, jobs={"train": {"minutes": 1}}))
