"""docs/published.yaml, and what is refused in it: by plain code and by the schema alike."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
import yaml
from support.snakemake import ROOT

from pixelcnn.cli import main
from pixelcnn.config.published import PublishedFile, published_from
from pixelcnn.config.validation import validated
from pixelcnn.report.published import FILE, read_published
from pixelcnn.system.errors import ConfigError

SCHEMA = ROOT / "workflow" / "schemas" / "published.schema.json"
WRITTEN = yaml.safe_load(FILE.read_text(encoding="utf-8"))


def changed(path: str, value: Any) -> dict[str, Any]:
    """The first entry alone, with one key changed, or without it if the value is None."""
    content = {"published": [copy.deepcopy(WRITTEN["published"][0])]}
    *parents, last = path.split(".")
    place = content["published"][0]
    for key in parents:
        place = place[key]
    place[last] = value
    if value is None:
        del place[last]
    return content


def test_the_file_names_its_schema_and_keeps_to_it(capsys):
    first = FILE.read_text(encoding="utf-8").splitlines()[0]
    assert (FILE.parent / first.removeprefix("# yaml-language-server: $schema=")).resolve() == SCHEMA
    assert main(["schema", "published"]) == 0
    text = SCHEMA.read_text(encoding="utf-8")
    assert text == capsys.readouterr().out, (
        "pixelcnn schema published > workflow/schemas/published.schema.json"
    )
    pytest.importorskip("jsonschema").validate(WRITTEN, json.loads(text))  # comes with Snakemake
    entries = read_published()
    assert entries == validated(PublishedFile, WRITTEN).published
    assert {"PixelCNN", "PixelSNAIL"} <= {entry.model for entry in entries}
    assert all(re.search(r"[0-9a-z]", entry.source.read) for entry in entries)
    protocols = [(e.model, e.value, e.protocol, e.source.work) for e in entries]
    assert len(set(protocols)) == len(protocols), "an entry stands twice"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("source", None, "source: missing"),
        ("source.url", None, "source.url: missing"),
        ("protocol.binarization", None, "protocol.binarization: missing"),
        ("unit", "bits", "unit: expected one of nats, bits/dim; got 'bits'"),
        ("protocol.binarization", "fixed", "expected one of none, static, dynamic"),
        ("protocol.levels", "two", "levels: expected a whole number or unknown; got 'two'"),
        ("parameters", None, "parameters: missing; what a source does not say is unknown"),
        ("value", "81.3", "value: expected a number above 0; got '81.3'"),
        ("colour", "red", "colour: unknown key (expected: model, value"),
    ],
)
def test_both_refuse(path: str, value: Any, words: str):
    jsonschema = pytest.importorskip("jsonschema")
    content = changed(path, value)
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        published_from(content, "docs/published.yaml")
    assert str(caught.value).startswith(f"docs/published.yaml: published[0].{path}: ")
    assert not jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).is_valid(
        content
    )


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("unit", "bits/dim", "value: 81.3 bits/dim looks wrong, being more than the 1 bits/dim of a uniform"),
        ("protocol.levels", 256, ""),
        ("value", 0.15, "value: 0.15 nats looks wrong, being next to nothing"),
        ("value", 544.0, "looks wrong"),  # above 784 ln 2
        ("value", 543.0, ""),
        (
            "protocol.image_size",
            0,
            "protocol.image_size: expected a whole number from 1 on or unknown, got 0",
        ),
        ("protocol.image_size", "unknown", ""),
        ("parameters", True, "parameters: expected a whole number or unknown; got True"),
        ("source.url", "arxiv.org", "source.url: expected an address that begins with https://"),
    ],
)
def test_numbers_that_look_wrong_are_refused(path: str, value: Any, words: str):
    content = changed(path, value)
    if not words:
        assert len(published_from(content, "f")) == 1
        return
    with pytest.raises(ConfigError, match=re.escape(words)):
        published_from(content, "f")
