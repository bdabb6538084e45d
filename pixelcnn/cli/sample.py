"""`pixelcnn sample`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pixelcnn.cli import models, options
from pixelcnn.cli.runs import Run, choose_dataset, choose_run, say
from pixelcnn.config.benchmark import MOST_IMAGES
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.system.errors import UserError

#: Drawn of a model by itself, unless told otherwise.
IMAGES = 64


def _labels(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"expected whole numbers with commas between them, got {text!r}") from None


@click.command()
@click.argument("config", type=options.PATH, metavar="CONFIG|MODEL")
@options.dataset
@click.option("--variant", help="Name in the config.")
@click.option("--seed", type=int, help="The run's seed.")
@options.threads
@click.option(
    "-n",
    type=click.IntRange(1, MOST_IMAGES),
    help="How many (default: the config's sampling.images; 64 of a MODEL).",
)
@click.option(
    "--labels", "--label", "labels",
    type=_labels, metavar="CLASSES", help="Such as 3 or 0,1,2 (default: all in turn).",
)  # fmt: skip
@click.option("--temperature", type=float, help="Divides the logits (default: the config's, else 1).")
@options.batch_size
@click.option("--complete", is_flag=True, help="Complete -n test images from their upper half instead.")
@click.option("--also-complete", is_flag=True, help="Do both, with one start.")
@models.seed
@models.device
@click.option(
    "--out",
    type=options.PATH,
    help="An .npz file, for a run with a .png grid beside it (default: in the run's folder). Of a MODEL also "
    "a .png grid, or a folder.",
)
def sample(
    config: Path,
    dataset: str | None,
    variant: str | None,
    seed: int | None,
    threads: int | None,
    complete: bool,
    also_complete: bool,
    device: str | None,
    **asked: Any,
) -> None:
    """Draw images from a trained run.

    Either of a benchmark, with --variant and --seed, or of a MODEL by itself: a checkpoint.pt, a
    model.safetensors, the folder of a run, or one of an MLflow model.
    """
    named = {"--variant": variant, "--seed": seed}
    if not models.is_model(config):
        if device is not None:
            raise UserError(f"--device: is for a trained model, of {config} it is the key device")
        if lacking := [option for option, value in named.items() if value is None]:
            raise click.UsageError(
                f"Missing option '{lacking[0]}', for {config} is no model: no folder, .pt or .safetensors"
            )
        run = choose_run(choose_dataset(config, dataset, threads), str(variant), seed)
        _sample_of_run(run, complete=complete, also_complete=also_complete, **asked)
        return
    named |= {"--dataset": dataset, "--complete": complete or None, "--also-complete": also_complete or None}
    if given := [option for option, value in named.items() if value is not None]:
        raise UserError(f"{given[0]}: is for a config, {config} is a trained model (see `pixelcnn complete`)")
    _sample_of_model(config, threads, device, **asked)


def _sample_of_model(
    model: Path,
    threads: int | None,
    device: str | None,
    *,
    n: int | None,
    labels: list[int] | None,
    temperature: float | None,
    batch_size: int | None,
    sampling_seed: int | None,
    out: Path | None,
) -> None:
    from pixelcnn.images import channels
    from pixelcnn.sampling.api import BATCH_SIZE
    from pixelcnn.system import devices
    from pixelcnn.system.progress import images_progress
    from pixelcnn.trained import pictures

    if out is None:
        raise UserError(f"--out: needed, expected {pictures.FORMS}")
    pictures.check_form(out)
    count = n or IMAGES
    names = [f"sample-{number:0{len(str(count))}d}" for number in range(1, count + 1)]
    models.refuse_results("--out", [out] if out.suffix else [out / f"{name}.png" for name in names], [model])
    trained = models.load(model, device, threads)
    seed = trained.checkpoint.spec.seed if sampling_seed is None else sampling_seed
    batch_size = batch_size or trained.image.at_once(BATCH_SIZE)
    models.check_writable("--out", out.parent if out.suffix else out)
    with devices.out_of_memory(devices.smaller("--batch-size", batch_size)):
        images = trained.sample(
            count,
            labels,
            seed=seed,
            temperature=1.0 if temperature is None else temperature,
            batch_size=batch_size,
            on_progress=images_progress("sampling", sys.stderr),
        )
    if out.suffix == ".npz":
        y = trained.drawn_labels(count, labels)
        told = [-1] * count if y is None else y.numpy()
        pictures.save_arrays(out, images=images, labels=told, seed=seed)
    else:
        pictures.save(out, images, trained.image.levels, names)
    said = f"{out}: {count} images"
    print(said if out.suffix == ".npz" else channels.told(said, trained.image.channels))


def _sample_of_run(
    run: Run,
    *,
    n: int | None,
    labels: list[int] | None,
    temperature: float | None,
    batch_size: int | None,
    complete: bool,
    also_complete: bool,
    sampling_seed: int | None,
    out: Path | None,
) -> None:
    from pixelcnn.images import channels
    from pixelcnn.images.pictures import SHOWN, Drawing
    from pixelcnn.results.records import sampled
    from pixelcnn.sampling.api import BATCH_SIZE
    from pixelcnn.system import devices
    from pixelcnn.system.files import write_json
    from pixelcnn.system.progress import images_progress

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
            grid = drawing.samples(count, path, images_progress(f"sampling {name}", sys.stderr))
            said = f"{path}: {count} images, {min(count, SHOWN)} of them in {grid}"
            print(channels.told(said, model.image.channels))
        if also_complete or complete:
            data, path = run.data(), out or run.folder.completions
            if out is None:
                trained.require_data(data.sha256, run.folder.path)
            elif trained.data_sha256 != data.sha256:
                say("the data are not those it was trained on, which may have had these test images")
            test = data.splits["test"]
            count = n or min(config.completions, len(test.images))
            progress = images_progress(f"completing for {name}", sys.stderr)
            grid = drawing.completions(test, count, path, progress)
            print(channels.told(f"{grid}: completions of {count} test images", model.image.channels))
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
