"""`pixelcnn sample`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Run
from pixelcnn.system.errors import UserError


def _labels(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"expected whole numbers with commas between them, got {text!r}") from None


@click.command()
@options.of_a_run()
@click.option("-n", type=click.IntRange(min=1), help="How many (default: the config's sampling.images).")
@click.option("--labels", type=_labels, metavar="CLASSES", help="Such as 3 or 0,1,2 (default: all in turn).")
@click.option("--temperature", type=float, help="Divides the logits (default: the config's).")
@options.batch_size
@click.option("--complete", is_flag=True, help="Complete -n test images from their upper half instead.")
@click.option("--also-complete", is_flag=True, help="Do both, with one start.")
@click.option("--sampling-seed", type=int, help="Seed of the noise (default: the run's seed).")
@click.option("--out", type=options.PATH, help="An .npz file (default: in the run's folder).")
def sample(
    run: Run,
    n: int | None,
    labels: list[int] | None,
    temperature: float | None,
    batch_size: int | None,
    complete: bool,
    also_complete: bool,
    sampling_seed: int | None,
    out: Path | None,
) -> None:
    """Draw images from a trained run."""
    from pixelcnn.images.pictures import SHOWN, Drawing
    from pixelcnn.results.records import sampled
    from pixelcnn.sampling.api import BATCH_SIZE
    from pixelcnn.system import devices
    from pixelcnn.system.files import write_json
    from pixelcnn.system.progress import sampling_progress

    given = {"-n": n, "--labels": labels, "--temperature": temperature, "--sampling-seed": sampling_seed}
    _check_out(out, also_complete, [flag for flag, value in given.items() if value is not None])
    config, name = run.benchmark.sampling, run.spec.name
    model, likelihood = run.checkpoint().model()
    drawing = Drawing(
        model.to(run.device()),
        likelihood,
        labels,
        seed=run.spec.seed if sampling_seed is None else sampling_seed,
        temperature=config.temperature if temperature is None else temperature,
        batch_size=batch_size or BATCH_SIZE,
    )
    with devices.out_of_memory(f"lower --batch-size, which is {drawing.batch_size}"):
        if also_complete or not complete:
            count, path = n or config.images, out or run.folder.samples
            grid = drawing.samples(count, path, sampling_progress(f"sampling {name}", sys.stderr))
            print(f"{path}: {count} images, {min(count, SHOWN)} of them in {grid}")
        if also_complete or complete:
            test, path = run.data().splits["test"], out or run.folder.completions
            count = n or min(config.completions, len(test.images))
            progress = sampling_progress(f"completing for {name}", sys.stderr)
            grid = drawing.completions(test, count, path, progress)
            print(f"{grid}: completions of {count} test images")
    if also_complete:
        write_json(run.folder.sampled, sampled(run.spec, config))


def _check_out(out: Path | None, also_complete: bool, given: list[str]) -> None:
    if out is not None and (out.suffix != ".npz" or also_complete):
        raise UserError(f"--out: expected one file that ends in .npz, without --also-complete; got {out}")
    if out is None and given:
        raise UserError(
            f"{given[0]}: needs --out: the report shows what is in the run's folder, drawn as the config says"
        )
