"""`pixelcnn schema`."""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of configs, for editors."""
    from pixelcnn.config.benchmark import Benchmark
    from pixelcnn.config.validation import json_schema

    print(json.dumps(json_schema(Benchmark, "A pixelcnn benchmark"), indent=2))
