"""What `training.precision: auto` is: the faster precision of all networks together, measured once."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path

import pytest
import torch
from support.toy import SMALL, toy

from pixelcnn.cli import main
from pixelcnn.cli.precision import found_or_measured
from pixelcnn.results.folder import folder_of
from pixelcnn.results.records import Precision
from pixelcnn.scheduling.jobs import Jobs
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system import devices
from pixelcnn.system.errors import UserError
from pixelcnn.training import precision

CPU = torch.device("cpu")
AUTO = {"epochs": 1, "batch_size": 16, "warmup_steps": 2, "precision": "auto"}
BASE = {"model": "pixelcnn", "hyperparameters": SMALL}


@pytest.fixture(autouse=True)
def _hardware_with_bfloat16(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "has_fast_bfloat16", lambda device: True)


def benchmark_of(training=AUTO, **variants):
    path = toy(Path(), training=training, variants=variants or {"base": BASE}, seeds=[0, 1])
    return load_resolved(path)


def timed(**seconds):
    """A clock by which a step of a variant takes so many seconds, in float32 and in bfloat16."""

    def timer(step, device):
        return seconds[step.spec.variant_name][step.precision == "bfloat16"]

    return timer


@pytest.mark.parametrize(
    ("small", "large", "chosen"),
    [
        ((1, 2), (10, 7.5), "bfloat16"),
        ((1, 2), (10, 8.5), "float32"),  # faster, but by less than a tenth
        ((1, 0.5), (10, 12), "float32"),
    ],
)
def test_the_choice_is_by_the_sum_of_the_times_of_all_variants(small, large, chosen):
    benchmark = benchmark_of(small=BASE, large={"model": "gated", "hyperparameters": SMALL})
    found = precision.measure(benchmark, CPU, timed(small=small, large=large))
    assert found.chosen == chosen
    assert [(step.name, step.float32, step.bfloat16) for step in found.steps] == [
        ("toy/small", *small),
        ("toy/large", *large),
    ]


def test_what_other_work_adds_to_some_steps_chooses_nothing():
    """Equal steps, of which nine in ten are slowed down in one precision."""
    for stalled in ("float32", "bfloat16"):
        calls = itertools.count()

        def timer(step, device, stalled=stalled, calls=calls):
            slow = step.precision == stalled and next(calls) % 10
            return 0.01 * (5 if slow else 1)

        found = precision.measure(benchmark_of(), CPU, timer)
        assert (found.chosen, found.steps[0].float32, found.steps[0].bfloat16) == ("float32", 0.01, 0.01)


def test_times_are_of_equal_images():
    """A step of eight times the images counts as eight steps."""
    large = {**BASE, "training": {"batch_size": 128}}
    benchmark = benchmark_of(small=BASE, large=large)
    assert precision.measure(benchmark, CPU, timed(small=(2, 1), large=(10, 14))).chosen == "bfloat16"


def test_variants_whose_steps_cost_the_same_are_timed_once():
    """As the trials of a tuning; a clock without times for the others says that nobody asked it."""
    fast, wide = ({**BASE, "training": {key: 8}} for key in ("learning_rate", "batch_size"))
    other, told = {**BASE, "model": "gated"}, {**BASE, "conditional": True}
    benchmark = benchmark_of(first=BASE, other=other, fast=fast, wide=wide, told=told)
    timer = timed(first=(1, 2), other=(1, 2), wide=(1, 2), told=(1, 2))
    found = precision.measure(benchmark, CPU, timer)
    assert [step.name for step in found.steps] == ["toy/first", "toy/other", "toy/wide", "toy/told"]


def test_the_networks_are_really_timed_at_their_batch_size():
    shapes = []

    def timer(step, device):
        shapes.append((tuple(step.x.shape), step.y is None, step.spec.seed))
        step()
        return 100.0

    cond = {"model": "gated", "conditional": True, "hyperparameters": SMALL}
    found = precision.measure(
        benchmark_of(base={**BASE, "training": {"batch_size": 3}}, cond=cond), CPU, timer
    )
    assert set(shapes) == {((3, 1, 6, 6), True, 0), ((16, 1, 6, 6), False, 0)}
    assert [step.rounds for step in found.steps] == [1, 1], "however long: one step of each"


def test_a_network_that_fails_keeps_no_other_from_being_timed():
    def timer(step, device):
        if step.spec.variant_name == "bad" and step.precision in fails:
            raise RuntimeError("of the test")
        return 1.0 if step.precision == "float32" else 0.5

    benchmark = benchmark_of(base=BASE, bad={**BASE, "model": "gated"})
    fails = ["float32", "bfloat16"]  # its training will say so
    found = precision.measure(benchmark, CPU, timer)
    assert found.chosen == "bfloat16" and found.steps[1].failed == "float32: RuntimeError: of the test"
    fails = ["bfloat16"]
    found = precision.measure(benchmark, CPU, timer)
    assert (found.chosen, found.reason) == ("float32", "toy/bad cannot be trained in bfloat16")


def test_where_the_hardware_has_no_bfloat16_nothing_is_timed(monkeypatch):
    monkeypatch.setattr(devices, "has_fast_bfloat16", lambda device: False)
    found = precision.measure(benchmark_of(), CPU, timed())
    assert (found.chosen, found.steps) == ("float32", []) and "no bfloat16 in hardware" in found.reason


def test_where_nothing_is_auto_there_is_nothing_to_measure(capsys):
    benchmark = benchmark_of({**AUTO, "precision": "bfloat16"})
    with pytest.raises(UserError, match="auto for no variant"):
        precision.measure(benchmark, CPU, timed())
    jobs = Jobs(benchmark, benchmark.runs(), 0)
    assert jobs.read_precision({"dataset": "toy", "variant": "base", "seed": "0"}) == {}
    assert main(["precision", "toy.yaml"]) == 2 and "nothing to measure" in capsys.readouterr().err
    assert not folder_of(benchmark).precision.exists()


def test_a_training_takes_what_was_chosen_and_what_is_trained_asks_no_more(monkeypatch):
    """Whatever the hardware says where it runs."""
    benchmark = benchmark_of()
    path = folder_of(benchmark).precision
    Precision("bfloat16", "of the test", "another CPU", 1, "2").write(path)
    before = path.read_bytes()
    monkeypatch.setattr(devices, "has_fast_bfloat16", lambda device: False)
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    assert [main(["prepare", "toy.yaml"]), main(["train", *run])] == [0, 0]
    assert path.read_bytes() == before
    assert folder_of(benchmark).run("toy", "base", 0).record().precision == "bfloat16"
    path.unlink()
    trained, new = ({"dataset": "toy", "variant": "base", "seed": seed} for seed in ("0", "1"))
    jobs = Jobs(benchmark, benchmark.runs(), 0)
    assert (jobs.read_precision(trained), jobs.read_precision(new)) == ({}, {path: False})
    assert [main(["measure", *run])] == [0]
    cost = json.loads(folder_of(benchmark).cost("toy", "base").read_text(encoding="utf-8"))
    assert cost["precision"] == "bfloat16", "as it was trained"
    assert not path.exists()


def test_what_is_known_is_settled_unless_it_is_forced():
    benchmark = benchmark_of()
    path = folder_of(benchmark).precision
    Precision("bfloat16", "of the test", "another CPU", 1, "2").write(path)
    new = {"dataset": "toy", "variant": "base", "seed": "1"}
    for forced, settled in ((set(), True), ({"precision"}, False), ({str(path)}, False)):
        jobs = Jobs(benchmark, benchmark.runs(), 0, lambda forced=forced: forced)
        assert jobs.read_precision(new) == {path: settled}
        assert jobs.measures_again is not settled


def test_of_several_at_once_one_measures(monkeypatch):
    calls, together = [], threading.Barrier(2)

    def measured(benchmark, device):
        calls.append(device)
        return Precision("bfloat16", "of the test", "CPU", 1, "2")

    monkeypatch.setattr(precision, "measure", measured)
    benchmark, found = benchmark_of(), []

    def one():
        together.wait()
        found.append(found_or_measured(benchmark, CPU).chosen)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, len(calls)) == (["bfloat16"] * 2, 1)
    found_or_measured(benchmark, CPU, force=True)
    assert len(calls) == 2


def test_a_damaged_record_is_told():
    path = folder_of(benchmark_of()).precision
    path.parent.mkdir(parents=True)
    path.write_text('{"chosen": "float16"}', encoding="utf-8")
    with pytest.raises(UserError, match="damaged; delete it"):
        Precision.read(path)
