"""`pixelcnn check`."""

from __future__ import annotations

import warnings
from typing import Any

import click

from pixelcnn.cli import RUN_FAILED, options
from pixelcnn.system.errors import UserError


@click.command()
@click.argument("model", help="A name, or the path of a .py file that defines one.")
@click.option(
    "--hyperparameters",
    type=options.from_json,
    default="{}",
    metavar="JSON",
    help="Default: the architecture's own.",
)
@click.option("--likelihood", default="auto", help="A name, or the path of a .py file that defines one.")
@click.option("--channels", type=click.IntRange(min=1), default=1, show_default=True, help="Of the images.")
def check(model: str, hyperparameters: Any, likelihood: str, channels: int) -> int:
    """Check the invariants of an architecture and a likelihood."""
    from pixelcnn.invariants.architecture import check_architecture
    from pixelcnn.invariants.results import Outcome

    if not isinstance(hyperparameters, dict):
        raise UserError(f"--hyperparameters: expected keys and values, got {hyperparameters!r}")
    results = []
    with warnings.catch_warnings(action="ignore"):  # what there is to say stands in the results
        for result in check_architecture(model, hyperparameters, likelihood=likelihood, channels=channels):
            print(result, flush=True)
            results.append(result)
    failed = [result.name.partition(" (")[0] for result in results if not result.passed]
    if not failed:
        unchecked = sum(result.outcome is Outcome.NONE for result in results)
        left = f"; {unchecked} more could not be made" if unchecked else ""
        print(f"{model}: nothing is wrong in {len(results) - unchecked} checks{left}")
        return 0
    print(f"{model}: {len(failed)} of {len(results)} checks failed: {'; '.join(dict.fromkeys(failed))}")
    return RUN_FAILED
