"""The arguments and options that several commands have."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pixelcnn.cli import runs
from pixelcnn.config.benchmark import MOST_THREADS
from pixelcnn.config.run_spec import LARGEST_BATCH

Function = Callable[..., Any]

#: A file or folder, as a `Path`.
PATH = click.Path(path_type=Path)
CONFIG_HELP = "Benchmark description, YAML or JSON."

config = click.argument("config", type=PATH, help=CONFIG_HELP)
dataset = click.option("--dataset", help="Name in the config; needed if it has several.")
threads = click.option(
    "--threads", type=click.IntRange(1, MOST_THREADS), help="CPU threads (default: the config's)."
)
batch_size = click.option(
    "--batch-size",
    type=click.IntRange(1, LARGEST_BATCH),
    help="Images worked on together; bounds the memory.",
)
benchmark_folder = click.argument("directory", type=PATH, help="results/BENCHMARK")


def of_a_dataset(command: Function) -> Function:
    """The options that name a dataset of a benchmark; `command` gets what they mean as its first argument."""

    @config
    @dataset
    @functools.wraps(command)
    def with_dataset(config: Path, dataset: str | None, threads: int | None = None, **others: Any) -> Any:
        return command(runs.choose_dataset(config, dataset, threads), **others)

    return with_dataset


def of_a_run(*, seed_needed: bool = True) -> Callable[[Function], Function]:
    """The options that name a run of a benchmark; the command gets what they mean as its first argument."""
    seed_help = "The run's seed." if seed_needed else "That of a trained run (default: the config's first)."

    def decorate(command: Function) -> Function:
        @click.option("--variant", required=True, help="Name in the config.")
        @click.option("--seed", type=int, required=seed_needed, help=seed_help)
        @threads
        @functools.wraps(command)
        def with_run(chosen: runs.Dataset, variant: str, seed: int | None, **others: Any) -> Any:
            return command(runs.choose_run(chosen, variant, seed), **others)

        return of_a_dataset(with_run)

    return decorate


def from_json(text: str) -> Any:
    """The type of an option whose value is JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise click.BadParameter(f"not valid JSON: {error}") from error
