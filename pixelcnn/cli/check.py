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
def check(model: str, hyperparameters: Any) -> int:
    """Check the invariants of an architecture."""
    from pixelcnn.invariants.architecture import check_architecture

    if not isinstance(hyperparameters, dict):
        raise UserError(f"--hyperparameters: expected keys and values, got {hyperparameters!r}")
    passed = True
    with warnings.catch_warnings(action="ignore"):  # what there is to say stands in the results
        for result in check_architecture(model, hyperparameters):
            print(result)
            passed = passed and result.passed
    return 0 if passed else RUN_FAILED
