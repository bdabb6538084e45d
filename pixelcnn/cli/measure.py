"""`pixelcnn measure`."""

from __future__ import annotations

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Run
from pixelcnn.system.errors import UserError


@click.command()
@options.of_a_run(seed_needed=False)
def measure(run: Run) -> None:
    """Time a variant: a training step, an evaluation, sampling."""
    from statistics import median

    from pixelcnn.analysis.cost import measure_cost
    from pixelcnn.results.folder import folder_of

    spec = run.spec
    trained, data = run.checkpoint(), run.data()
    record = run.folder.record()
    if record is None or record.digest != spec.digest:
        raise UserError(
            f"{run.folder.record_file}: does not say in which precision this was trained; train it again"
        )
    device = run.device()
    cost = measure_cost(trained, data, device, record.precision)
    path = folder_of(run.benchmark).cost(spec.dataset_name, spec.variant_name)
    cost.write(path)
    measured = (cost.step_seconds, cost.evaluation_seconds, cost.sampling_seconds)
    step, evaluation, sampling = (1000 * median(seconds) for seconds in measured)
    print(
        f"{path}: a training step {step:.1f} ms, evaluating {cost.sampling_images} images "
        f"{evaluation:.1f} ms, drawing as many {sampling:.1f} ms, {cost.device}, {cost.threads} threads"
    )
