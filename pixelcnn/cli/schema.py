"""`pixelcnn schema`."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("of", type=click.Choice(["benchmark", "published"]), default="benchmark")
def schema(of: str) -> None:
    """Print the JSON Schema of configs, for editors.

    With `published`: of docs/published.yaml.
    """
    from pixelcnn.config.benchmark import Benchmark
    from pixelcnn.config.published import PublishedFile
    from pixelcnn.config.validation import json_schema

    cls, title = (
        (Benchmark, "A pixelcnn benchmark")
        if of == "benchmark"
        else (PublishedFile, "Numbers that others published")
    )
    print(json.dumps(json_schema(cls, title), indent=2))
