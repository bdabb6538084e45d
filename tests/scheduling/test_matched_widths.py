"""A variant with `match_parameters` in a benchmark: its runs are those with the width given by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.config import GOOD, resolved

from pixelcnn.cli.plan import plan_lines
from pixelcnn.config.reading import benchmark_from
from pixelcnn.report.provenance import recipes
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling import resolution
from pixelcnn.scheduling.estimates import Size
from pixelcnn.scheduling.planning import check_benchmark
from pixelcnn.system.files import write_json

SMALL = {"blocks": 1, "head_channels": 8, "first_kernel_size": 3}
ASKED = 4000


def config(**variants):
    other = {"source": "mnist5k", "image_size": 14, "levels": 2, "binarize": "threshold"}
    made = {"datasets": GOOD["datasets"] | {"binary": other}, "variants": variants}
    return GOOD | made


def matched(asked=ASKED):
    own = {"base": {"model": "pixelcnn"}, "told": {"model": "pixelcnn", "conditional": True}}
    more = {"match_parameters": asked, "hyperparameters": SMALL}
    # Some hyper-parameters of the likelihood are at their defaults.
    own["told"]["likelihood"], own["told"]["likelihood_hyperparameters"] = "logistic_mixture", {}
    return config(**{name: {**entry, **more} for name, entry in own.items()}, hand={"model": "independent"})


@pytest.fixture(scope="module")
def benchmark():
    return resolved(matched())


def test_its_runs_are_those_of_the_width_by_hand_and_differ_by_dataset(benchmark):
    widths = {d: {v: found.value for v, found in own.items()} for d, own in benchmark.matched.items()}
    assert (
        widths["small"]["base"] < widths["binary"]["base"]
        and widths["small"]["told"] < widths["small"]["base"]
    )
    sizes = check_benchmark(benchmark)
    for (dataset, variant), size in sizes.items():
        run, written = benchmark.run(dataset, variant, 1), matched()["variants"][variant]
        if variant == "hand":
            continue
        assert size.parameters == benchmark.match(dataset, variant).parameters
        given = SMALL | {"channels": widths[dataset][variant]}
        by_hand = {key: value for key, value in written.items() if key != "match_parameters"}
        alone = resolved(config(**{variant: by_hand | {"hyperparameters": given}}))
        assert alone.run(dataset, variant, 1) == run and alone.matched is None
        assert alone.run(dataset, variant, 1).digest == run.digest


def test_what_was_planned_is_known_without_asking_again_until_something_else_is_asked(
    benchmark, tmp_path, monkeypatch
):
    def ask(*_):
        raise AssertionError("asks another process")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(resolution, "_ask", ask)
    write_json(folder_of(benchmark).config, benchmark.to_json())
    again = resolution.resolved_from(matched(), "config")
    assert (
        json.dumps(again.to_json()) == json.dumps(benchmark.to_json()) and again.matched == benchmark.matched
    )
    assert benchmark_from(json.loads(json.dumps(benchmark.to_json()))) == again
    told = matched()
    told["variants"]["base"]["conditional"] = True
    for other in (matched(ASKED + 1), told):
        with pytest.raises(AssertionError, match="asks another process"):
            resolution.resolved_from(other, "config")


def test_the_plan_and_the_report_say_how_near_and_the_plan_offers_it(benchmark):
    found = benchmark.match("small", "told")
    off = 100 * (found.parameters / ASKED - 1)
    said = f"channels {found.value}: {found.parameters:,} of 4,000 parameters asked for, {off:+.1f} %"
    lines = list(plan_lines(benchmark, check_benchmark(benchmark)))
    assert next(line for line in lines if said in line).split()[:2] == ["small", "told"]
    assert len(lines) == 6, "no offer: both networks use it already"
    told, hand = (next(r for r in recipes(benchmark) if r.name == name) for name in ("told", "hand"))
    assert f"{said} (on small)" in told.matched and len(told.matched) == 2 and not hand.matched
    assert "channels" not in dict(told.hyperparameters)

    plain = benchmark_from(GOOD | {"variants": {name: {"model": "pixelcnn"} for name in "abc"}})

    def offers(count, *, baseline):
        sizes = {"a": Size(1000, 1), "b": Size(count, 1), "c": Size(9, 1, baseline)}
        named = {("small", name): size for name, size in sizes.items()}
        return [line for line in plan_lines(plain, named) if "match_parameters" in line]

    assert offers(1100, baseline=True) == [
        "small: its largest network has 10 % more parameters than its smallest; `match_parameters: 1000` in "
        "a variant, in the place of its width, finds that width"
    ]
    assert offers(1030, baseline=True) == [] and len(offers(1030, baseline=False)) == 1


def test_exactly_and_nearly_are_told_apart(benchmark):
    found = benchmark.match("small", "base")
    words = [replace(found, parameters=n).words(10_000) for n in (10_000, 9_996, 9_960, 10_700)]
    assert [text.rpartition(", ")[2] for text in words] == ["exactly", "-0.04 %", "-0.4 %", "+7.0 %"]
