"""`pixelcnn evaluate`."""

from __future__ import annotations

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Run
from pixelcnn.system.errors import UserError


@click.command()
@options.of_a_run()
@options.batch_size
def evaluate(run: Run, batch_size: int | None) -> None:
    """Test NLL, bits/dim and perplexity of a trained run."""
    from pixelcnn.evaluation import export
    from pixelcnn.evaluation.likelihoods import BATCH_SIZE
    from pixelcnn.evaluation.run import evaluate_run, noted_in_record
    from pixelcnn.system import devices
    from pixelcnn.training import state

    if run.benchmark.tunes is not None:
        raise UserError(
            f"{run.spec.name}: a trial of a tuning, judged by validation images alone; test images are for "
            "the runs of the config that the tuning leads to"
        )
    trained, data, device = run.checkpoint(), run.data(), run.device()
    batch_size = batch_size or trained.image.at_once(BATCH_SIZE)
    with noted_in_record(run.folder.path):
        with devices.out_of_memory(devices.smaller("--batch-size", batch_size)):
            metrics = evaluate_run(trained, data, device, run.folder.path, batch_size)
        export.save(trained, data, run.folder.model)
    if not run.folder.attempt.record_file.exists():  # else another training has begun there
        state.discard(run.folder.attempt.path)  # accepted: nothing is to be resumed any more
    marginal = (
        ""
        if metrics.marginal_nll is None
        else f" given the label, {metrics.marginal_nll:.2f} marginal, {metrics.accuracy:.1%} classified right"
    )
    print(
        f"{run.spec.name}: test NLL {metrics.nll:.2f} nats/image{marginal}, "
        f"{metrics.bits_per_dim:.4f} bits/dim, perplexity {metrics.perplexity:.4f} per dimension, "
        f"{metrics.images:,} images"
    )
