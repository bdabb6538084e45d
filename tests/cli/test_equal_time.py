"""`pixelcnn plan --seconds`: a config in which every variant trains equally long."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.toy import SMALL, toy

from pixelcnn.analysis import equal_time
from pixelcnn.cli import main
from pixelcnn.config.reading import load_benchmark
from pixelcnn.scheduling.planning import load_resolved

ROOT = Path(__file__).resolve().parents[2]


def test_it_writes_a_config_whose_budgets_are_as_the_steps_are_fast(folder, monkeypatch, capsys):
    own = {"model": "gated", "hyperparameters": SMALL, "training": {"epochs": 7, "batch_size": 8}}
    toy(folder, variants={"base": {"model": "pixelcnn", "hyperparameters": SMALL}, "own": own}, note="Mine.")
    measured = equal_time.step_seconds
    found = []

    def step_seconds(specs, device, automatic):
        found.extend(times := measured(specs, device, automatic))
        assert [len(one) >= 3 and min(one) > 0 for one in times] == [True, True]
        return [[0.002, 0.001, 9.0], [0.004, 0.001, 0.005]]

    monkeypatch.setattr(equal_time, "step_seconds", step_seconds)
    assert main(["plan", "toy.yaml", "--seconds", "1.5"]) == 0, capsys.readouterr().err
    assert len(found) == 2
    benchmark = load_benchmark("toy-1.5s.yaml")
    assert benchmark.benchmark == "toy-1.5s" and benchmark.note.startswith("Mine. The variants train equally")
    images = {name: variant.training for name, variant in benchmark.variants.items()}
    assert images == {"base": {"images": 12_000}, "own": {"batch_size": 8, "images": 3_000}}, (
        "1.5 s of medians"
    )
    table = capsys.readouterr().out.splitlines()
    assert table[1].split() == ["base", "2.00", "8,000", "12,000", "200.00"]
    recipe = load_resolved("toy-1.5s.yaml").run("toy", "own", 0).training
    assert (recipe.epochs, recipe.images, recipe.warmup_steps) == (None, 3_000, 2), "all else is as it was"
    text = Path("toy-1.5s.yaml").read_text(encoding="utf-8")
    head = text.partition("benchmark:")[0].replace("\n# ", " ")
    assert "plan toy.yaml --seconds 1.5" in head
    schema = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (folder / schema).resolve() == ROOT / "workflow/schemas/benchmark.schema.json"
    assert not (folder / "results").exists(), "nothing else is written"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seconds", "1", "--out", "there.yaml"], "there.yaml: is there already; --force replaces it"),
        (["--seconds", "0"], "--seconds"),
        (["--out", "x.yaml"], "--out and --force: are for --seconds"),
    ],
)
def test_what_it_refuses(folder, capsys, arguments, said):
    Path("there.yaml").touch()
    assert main(["plan", "toy.yaml", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_several_datasets_are_refused(folder, capsys):
    data = {"source": "toy_data.py", "levels": 4}
    toy(folder, datasets={"one": data, "two": data})
    assert main(["plan", "toy.yaml", "--seconds", "1"]) == 2
    assert "has the datasets one, two, but a variant has one budget" in capsys.readouterr().err
