"""The JSON Schema by which editors complete and check a config."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from support.snakemake import ROOT

from pixelcnn.cli import main
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.validation import json_schema

SCHEMA = ROOT / "workflow" / "schemas" / "benchmark.schema.json"
CONFIGS = [
    ROOT / "config.yaml",
    *sorted((ROOT / "configs").glob("*.yaml")),
    *sorted((ROOT / "benchmarks").glob("*.yaml")),
]


def test_the_committed_schema_is_that_of_the_code(capsys):
    assert main(["schema"]) == 0
    assert SCHEMA.read_text(encoding="utf-8") == capsys.readouterr().out, (
        "write it again: pixelcnn schema > workflow/schemas/benchmark.schema.json"
    )


def test_the_default_config_has_every_key_or_a_comment_with_it():
    """But for those below `tuned`, which `snakemake tune` writes."""
    parts = json.loads(SCHEMA.read_text(encoding="utf-8"))
    written = {"TunedVariant", "TrialResult"}
    parts = [parts, *(part for name, part in parts["$defs"].items() if name not in written)]
    keys = [key for part in parts for key in part.get("properties", {})]
    said = (ROOT / "config.yaml").read_text(encoding="utf-8")
    often = {key: len(re.findall(rf"\b{key}\b", said)) for key in keys}
    assert len(keys) > 80 and not [key for key in keys if often[key] < keys.count(key)], (
        "a key of several parts is named for each"
    )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_names_the_schema_first_and_keeps_to_it(path: Path):
    jsonschema = pytest.importorskip("jsonschema")  # comes with Snakemake
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve() == SCHEMA
    jsonschema.validate(
        yaml.safe_load(path.read_text(encoding="utf-8")), json.loads(SCHEMA.read_text(encoding="utf-8"))
    )


def test_the_schema_refuses_what_the_reader_refuses():
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    good = {
        "benchmark": "b",
        "datasets": {"d": {"source": "mnist"}},
        "variants": {"v": {"model": "gated"}},
        "seeds": [0],
        "training": {"epochs": 1},
    }
    assert validator.is_valid(good)
    for bad in (
        {"sedes": [0]},
        {"seeds": 0},
        {"training": {"epochs": 0}},
        {"training": {"optimizer": "sgd"}},
        {"training": {"epochs": 1, "augment": {"flip": "vertical"}}},
        {"training": {"epochs": 1, "augment": "flip"}},
        {"variants": {"v": {"model": "gated", "training": {"epoch": 1}}}},
        {"datasets": {"d": {"source": "mnist", "levels": 257}}},
    ):
        assert not validator.is_valid(good | bad), bad


def test_the_schema_explains_keys():
    training = json_schema(Benchmark, "")["$defs"]["TrainingSpec"]["properties"]
    assert training["learning_rate"]["description"].startswith("The peak")
    assert training["epochs"] == {
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "default": None,
        "description": "Passes over the training images. Either this or `images` is given.",
        "minimum": 1,
        "maximum": 1_000_000,
    }
