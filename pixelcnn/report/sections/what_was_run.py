"""What was run, on what, with what: facts from the records, and the config."""

from __future__ import annotations

import json

from pixelcnn.report import provenance
from pixelcnn.report.collect import Collected
from pixelcnn.report.sections.base import Content, OfBenchmark, Whole


def build(whole: Whole) -> Content:
    """Code, machine, cost, the recipes of the variants and the whole config."""
    return Content(
        {
            "facts": provenance.facts(whole.collected),
            "recipes": provenance.recipes(whole.collected.benchmark),
            "common": provenance.common_recipe(whole.collected.benchmark),
            "config": _config_words(whole.collected),
        }
    )


def _config_words(collected: Collected) -> str:
    """The config without `tracking`: an address may hold a password, and decides no result."""
    content = {k: v for k, v in collected.benchmark.to_json().items() if k != "tracking"}
    return json.dumps(content, indent=2, ensure_ascii=False)


SECTION = OfBenchmark("what-was-run", "What was run", build=build)
