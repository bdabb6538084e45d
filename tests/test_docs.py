"""What docs/adding.md shows is what works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import made_up
from pixelcnn.cli import main
from pixelcnn.report import claims
from pixelcnn.report.collect import collect
from pixelcnn.report.compare import rank
from pixelcnn.report.findings import find

ADDING = (Path(__file__).resolve().parent.parent / "docs" / "adding.md").read_text()

PYTHON = re.findall(r"```python\n(.*?)```", ADDING, flags=re.DOTALL)


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """The two files of the page, written as a reader would."""
    monkeypatch.chdir(tmp_path)
    model, dataset, _ = PYTHON
    Path("my_model.py").write_text(model)
    Path("my_dataset.py").write_text(dataset)


def test_the_model_shown_passes_its_check_and_its_leaky_twin_does_not(shown, capsys):
    small = ["--hyperparameters", '{"channels": 6, "blocks": 1}']
    assert main(["check", "my_model.py", *small]) == 0
    leaky = Path("my_model.py").read_text().replace('7, "A"', '7, "B"')
    Path("leaky.py").write_text(leaky)
    assert main(["check", "leaky.py", *small]) == 1
    assert re.search(r"FAILED  no leak .*pixel \(\d, \d\) changes", capsys.readouterr().out)


def test_the_model_and_the_dataset_shown_run(shown):
    small = {"channels": 6, "blocks": 1}
    benchmark = {
        "benchmark": "shown",
        "datasets": {"stripes-8x8": {"source": "my_dataset.py", "image_size": 8, "levels": 4}},
        "variants": {
            "mine": {"model": "my_model.py", "hyperparameters": small},
            "mine-conditional": {"model": "my_model.py", "conditional": True, "hyperparameters": small},
        },
        "seeds": [0],
        "training": {"epochs": 1},
    }
    Path("config.yaml").write_text(json.dumps(benchmark))
    run = ["config.yaml", "--variant", "mine-conditional", "--seed", "0"]
    assert [main(c) for c in (["plan", "config.yaml"], ["prepare", "config.yaml"])] == [0, 0]
    assert [main(c) for c in (["train", *run], ["evaluate", *run])] == [0, 0]


def test_the_claim_shown_is_answered(tmp_path):
    names = {**vars(claims), "__builtins__": {}}
    claim = eval(PYTHON[2], names)
    variants = {"plain": {"model": "pixelcnn"}, "mine": {"model": "gated"}}
    made = made_up.benchmark(tmp_path, variants=variants)
    for seed, noise in enumerate((0.0, 0.1, 0.2)):
        made_up.write_run(made, made.run("digits", "plain", seed), nll=30 + noise)
        made_up.write_run(made, made.run("digits", "mine", seed), nll=20 + 1.1 * noise)
    (finding,) = find(rank(collect(made.directory).datasets[0]), [claim])
    assert (finding.subject, finding.against, finding.verdict) == ("mine", "plain", "supported")
