"""The JSON Schema of numbers.json: every number's type, unit and meaning."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from pixelcnn.site.columns import (
    FINDING,
    MODEL,
    PAIR,
    PARTS,
    RUN,
    VARIANT,
    Columns,
    metric_words,
    run_metrics,
    summarized_metrics,
)

#: Of numbers.json. Another one where a reader of the old one would misread it.
FORMAT = 2
#: Columns that are never empty.
_ALWAYS = ("dataset", "variant", "model", "conditional", "seed", "status", "n", "expected", "first", "second")
_FOUND = ("dataset", "claim", "question", "subject", "verdict", "measure", "unit", "effect_unit", "sentence")


def numbers_schema() -> dict[str, Any]:
    """The schema, as plain data."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "All numbers of benchmarks by pixelcnn",
        "description": "What the tables of the reports hold, with every digit. Null: there is none.",
        **_object(
            {
                "$schema": {"type": "string"},
                "format": {"const": FORMAT, "description": "Of this file."},
                "benchmarks": {"type": "array", "items": _benchmark()},
            }
        ),
    }


def _benchmark() -> dict[str, Any]:
    return _object(
        {
            "name": _plain("string", "Its folder beside this file, with the report as index.html."),
            "title": _plain("string", "Of the config."),
            "note": _plain(["string", "null"], "Of the config."),
            "date": _plain(["string", "null"], "When the last of its trainings ended, ISO 8601."),
            "seeds": {
                "type": "array",
                "items": {"type": "integer"},
                "description": "That the config asks for.",
            },
            "datasets": {"type": "array", "items": _dataset()},
            "variants": {"type": "array", "items": _variant()},
            "models": {"type": "array", "items": _object(_columns(MODEL, MODEL))},
            "pairs": {"type": "array", "items": _object(_columns(PAIR))},
            "findings": {"type": "array", "items": _object(_columns(FINDING, _FOUND))},
            "runs": {"type": "array", "items": _run()},
        }
    )


def _dataset() -> dict[str, Any]:
    picture = "The picture of its card, in the benchmark's folder."
    return _object(
        {
            "name": _plain("string", "In the config."),
            "source": _plain("string", "Where its images come from."),
            "best": _plain(["string", "null"], "The variant with the lowest mean of comparable_nll."),
            "picture": _plain(["string", "null"], picture),
        }
    )


def _variant() -> dict[str, Any]:
    summaries = {
        metric.key: _object(_columns(PARTS)) | {"description": metric_words(metric)}
        for metric in summarized_metrics()
    }
    truth = _plain("boolean", "Whether it knows the distribution of the images, and competes with none.")
    return _object(_columns(VARIANT) | {"truth": truth, "metrics": _object(summaries)})


def _run() -> dict[str, Any]:
    values = {metric.key: _plain(["number", "null"], metric_words(metric)) for metric in run_metrics()}
    records = _plain(["string", "null"], "The folder of its records, in the benchmark's folder.")
    return _object(_columns(RUN) | {"records": records, "metrics": _object(values)})


def _columns(columns: Columns, always: Container[str] = _ALWAYS) -> dict[str, Any]:
    return {
        name: _plain(kind if name in always else [kind, "null"], words)
        for name, (kind, words) in columns.items()
    }


def _plain(kind: str | list[str], words: str) -> dict[str, Any]:
    return {"type": kind, "description": words}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with these properties, all of them and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
