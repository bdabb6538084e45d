"""The table of metrics: that its entries fit each other and the records, and what a run has of them."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import made_up
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.audit import Audit
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.metric import Metric, RunRecords
from pixelcnn.results.metric_table import METRICS, RANKED_BY, SERIES, metric
from pixelcnn.results.records import HISTORY_KEYS, Analysis, Metrics, Record

RECORDS: dict[str, Any] = {"training": Record, "test": Metrics, "analysis": Analysis, "audit": Audit}
#: Of an audit.
PROPERTIES = {"paid_bits_per_dim"}


def test_names_are_there_once_in_each_place() -> None:
    keys = [entry.key for entry in METRICS]
    tracked = [entry.tracked.name or entry.key for entry in METRICS if entry.tracked]
    assert len(set(keys)) == len(keys)
    assert len({*tracked, *SERIES}) == len(tracked) + len(SERIES), "one name in MLflow is one metric there"
    assert set(SERIES) <= set(HISTORY_KEYS)


@pytest.mark.parametrize("entry", [m for m in METRICS if not callable(m.value)], ids=lambda m: m.key)
def test_a_metric_names_an_attribute_of_its_record(entry: Metric) -> None:
    assert (entry.value or entry.key) in {field.name for field in fields(RECORDS[entry.source])} | PROPERTIES


def test_an_unknown_metric_is_none_of_the_table() -> None:
    with pytest.raises(KeyError, match="unheard"):
        metric("unheard")


@pytest.fixture
def run(tmp_path: Path) -> RunRecords:
    """A conditional run with every record."""
    made = made_up.benchmark(
        tmp_path, variants={"told": {"model": "pixelcnn", "conditional": True}}, seeds=[0]
    )
    spec: RunSpec = made.runs()[0]
    folder = RunFolder(made_up.write_run(made, spec, nll=20.0))
    return RunRecords(True, folder.record(), folder.metrics(), folder.analysis(), folder.history())


def test_what_ranks_is_label_marginalised_where_the_model_is_told_the_label(run: RunRecords) -> None:
    ranked = metric(RANKED_BY)
    assert (ranked.of(run), metric("nll").of(run)) == (20.4, 20.0)
    assert ranked.of(replace(run, conditional=False)) == 20.0
    assert run.test is not None
    unscored = replace(run, test=replace(run.test, marginal_nll=None))
    assert ranked.of(unscored) is None, "the NLL given the label does not stand in for it"


def test_a_metric_of_several_numbers(run: RunRecords) -> None:
    assert metric("gap").of(run) == pytest.approx(0.7)
    last = {"train_nll": 3.0, "valid_nll": 3.5}
    assert metric("end_gap").of(replace(run, history=[{"train_nll": 9.0, "valid_nll": 9.0}, last])) == 0.5
    assert metric("end_gap").of(replace(run, history=[{"train_nll": 3.0}])) is None
    assert run.analysis is not None
    seen = replace(run.analysis, earlier_pixels=50, effective_pixels=10)
    assert metric("effective_share").of(replace(run, analysis=seen)) == 0.2
    assert metric("effective_share").of(replace(run, analysis=replace(seen, earlier_pixels=0))) is None


def test_what_is_missing_or_not_finite_is_no_value(run: RunRecords) -> None:
    assert all(entry.of(RunRecords(conditional=True)) is None for entry in METRICS)
    assert run.training is not None
    diverged = replace(run, training=replace(run.training, best_valid_nll=math.inf))
    assert metric("best_valid_nll").of(diverged) is None
