"""`pixelcnn sample`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Run, say
from pixelcnn.config.benchmark import MOST_IMAGES
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.system.errors import UserError


def _labels(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"expected whole numbers with commas between them, got {text!r}") from None


@click.command()
@options.of_a_run()
@click.option(
    "-n", type=click.IntRange(1, MOST_IMAGES), help="How many (default: the config's sampling.images)."
)
@click.option("--labels", type=_labels, metavar="CLASSES", help="Such as 3 or 0,1,2 (default: all in turn).")
@click.option("--temperature", type=float, help="Divides the logits (default: the config's).")
@options.batch_size
@click.option("--complete", is_flag=True, help="Complete -n test images from their upper half instead.")
@click.option("--also-complete", is_flag=True, help="Do both, with one start.")
@click.option(
    "--sampling-seed",
    type=click.IntRange(0, 2**63 - 1),
    help="Seed of the noise (default: the run's seed).",
)
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
    if out is None:
        _check_as_configured([flag for flag, value in given.items() if value is not None])
    else:
        _check_out(out, also_complete, folder_of(run.benchmark))
    config, name = run.benchmark.sampling, run.spec.name
    trained = run.checkpoint(apart=out is not None)
    model, likelihood = trained.model()
    drawing = Drawing(
        model.to(run.device()),
        likelihood,
        labels,
        seed=run.spec.seed if sampling_seed is None else sampling_seed,
        temperature=config.temperature if temperature is None else temperature,
        batch_size=batch_size or model.image.at_once(BATCH_SIZE),
    )
    if out is None:  # what is said of the pictures holds of both or of none
        run.folder.sampled.unlink(missing_ok=True)
    with devices.out_of_memory(devices.smaller("--batch-size", drawing.batch_size)):
        if also_complete or not complete:
            count, path = n or config.images, out or run.folder.samples
            grid = drawing.samples(count, path, sampling_progress(f"sampling {name}", sys.stderr))
            print(f"{path}: {count} images, {min(count, SHOWN)} of them in {grid}")
        if also_complete or complete:
            data, path = run.data(), out or run.folder.completions
            if out is None:
                trained.require_data(data.sha256, run.folder.path)
            elif trained.data_sha256 != data.sha256:
                say("the data are not those it was trained on, which may have had these test images")
            test = data.splits["test"]
            count = n or min(config.completions, len(test.images))
            progress = sampling_progress(f"completing for {name}", sys.stderr)
            grid = drawing.completions(test, count, path, progress)
            print(f"{grid}: completions of {count} test images")
    if also_complete:
        write_json(run.folder.sampled, sampled(run.spec, config))


def _check_as_configured(given: list[str]) -> None:
    if given:
        raise UserError(
            f"{given[0]}: needs --out: the report shows what is in the run's folder, drawn as the config says"
        )


def _check_out(out: Path, also_complete: bool, folder: BenchmarkFolder) -> None:
    if out.suffix != ".npz" or also_complete:
        raise UserError(f"--out: expected one file that ends in .npz, without --also-complete; got {out}")
    for path in (out, out.with_suffix(".png")):  # the grid goes beside it
        if folder.keeps(path):
            raise UserError(
                f"--out: {path} is a file of the results, which hold what the config says; choose another"
            )
