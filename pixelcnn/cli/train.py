"""`pixelcnn train`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Run, say
from pixelcnn.system.errors import UserError

if TYPE_CHECKING:
    import torch

    from pixelcnn.config.run_spec import RunSpec
    from pixelcnn.data.prepared import PreparedData


@click.command()
@options.of_a_run()
@click.option("--force", is_flag=True, help="Retrain what is already trained.")
@click.option("--digest", help="Refuse to train if the config means another run than this one.")
@click.option("--replace", help="Retrain if what is there is the training with this id (see record.json).")
def train(run: Run, force: bool, digest: str | None, replace: str | None) -> None:
    """Train one run."""
    train_run(run, force=force, digest=digest, replace=replace)


def train_run(run: Run, *, force: bool, digest: str | None, replace: str | None) -> None:
    """What `train` does, for whoever does more.

    Raises:
        RunFailed: if the training fails; the record of its attempt says why.
    """
    from pixelcnn.config.budget import epochs_words
    from pixelcnn.results import checkpoint
    from pixelcnn.system import devices, locks
    from pixelcnn.training import records, state

    if digest not in (None, run.spec.digest):
        raise UserError(
            f"--digest: the config now describes {run.spec.digest}, wanted is {digest}; "
            f"the config or a file of your own was changed meanwhile{_changes(run, digest)}"
        )
    finished = run.folder.checkpoint
    # A training that a killed workflow left behind goes on by itself: what it does is not done twice.
    with locks.acquire(
        run.folder.lock, wait=True, on_wait=lambda holder: say(f"{run.spec.name}: waits for {holder}")
    ):
        data = run.data()
        if force:
            state.discard(run.folder.attempt.path)
        elif records.has_ended(run.folder, run.spec.digest, data.sha256):
            _adopt(run)  # killed before it had done so
        if finished.exists() and not force and not _replaced(run, replace):
            found = checkpoint.load(finished)
            same = (found.spec.digest, found.data_sha256) == (run.spec.digest, data.sha256)
            if same and run.folder.told == run.spec.digest:
                print(f"{run.folder.path}: already trained; --force retrains it")
                return
            why = "trained from the start (its records are gone or damaged)"
            why = why if same else _why_anew(found.spec, run.spec)
            say(f"{run.spec.name}: {why}; what is there stays until that has ended")
        device = run.device()
        epoch = _fit(run, data, device)
        _adopt(run)
    print(f"{finished}: epoch {epochs_words(epoch)}, {devices.device_name(device)}")


def _replaced(run: Run, run_id: str | None) -> bool:
    """Whether what is there is the training that is to be replaced; what it left to resume from goes."""
    from pixelcnn.training import state

    if run_id is None or run.folder.told != run.spec.digest:
        return False
    record = run.folder.record()
    if record is None or record.run_id != run_id:
        return False
    if not run.folder.attempt.record_file.exists():  # else the one that replaces it has begun
        state.discard(run.folder.attempt.path)
    return True


def _adopt(run: Run) -> None:
    """Put a training that has ended in its place, if the config still asks for it: another may lie there.

    Raises:
        UserError: if it does not, as when a workflow was killed and the config edited before this had ended.
    """
    from pixelcnn.system import signals
    from pixelcnn.training import records

    if not run.still_asked_for():
        raise UserError(
            f"{run.folder.attempt.path}: trained, but {run.config} asks for another run by now; it takes its "
            "place once the config asks for it again and the same command is given"
        )
    with signals.noted():  # in the middle of it there would be something of both
        records.adopt(run.folder)


def _changes(run: Run, digest: str | None) -> str:
    """In which keys the run is another than that with this digest, where that was trained here."""
    from pixelcnn.config.differences import differences, told

    trained = run.folder.spec()
    return f" ({told(differences(trained, run.spec))})" if trained and trained.digest == digest else ""


def _why_anew(then: RunSpec, now: RunSpec) -> str:
    """Why a finished training is no part of the one that is asked for now."""
    from pixelcnn.config.differences import differences, told
    from pixelcnn.config.run_spec import BUDGETS

    found = differences(then, now)
    budgets = [(getattr(then.training, key), getattr(now.training, key)) for key in BUDGETS]
    if found and len(found) == sum(before != after for before, after in budgets):
        # See `training.optimizers`: the learning rate of every step depends on how many there are.
        last = "last epoch" if now.training.images is None else "last of the images"
        return (
            f"trained from the start ({told(found)}), and not continued: the cosine of the learning rate "
            f"ends with the {last}, so that more or fewer are another training from its first steps on"
        )
    return f"trained from the start ({told(found) or 'on other images'})"


def _fit(run: Run, data: PreparedData, device: torch.device) -> float:
    """Train, saying how far it is; returns after how many epochs the chosen weights were."""
    from pixelcnn.cli.precision import found_or_measured
    from pixelcnn.config.differences import edited, told
    from pixelcnn.images.while_training import drawer
    from pixelcnn.invariants.before_training import prove_no_leak
    from pixelcnn.models.registry import build_model
    from pixelcnn.system import signals
    from pixelcnn.system.code_digest import own_files
    from pixelcnn.system.progress import TrainingProgress
    from pixelcnn.system.seeding import derived_seed
    from pixelcnn.training.loop import Observer, fit, image_spec

    spec, benchmark = run.spec, run.benchmark
    asked = spec.training.precision
    precision = found_or_measured(benchmark, device).chosen if asked == "auto" else asked
    seed = derived_seed(spec.seed, "initialisation")
    model, likelihood = build_model(spec.variant, image_spec(data), seed=seed)
    if other := edited(spec.own_files.get("model", {}), own_files(spec.variant.model)):
        raise UserError(
            f"{spec.variant.model}: edited after this command began ({told(other)}); the same command trains "
            "the network that it describes now"
        )
    recipe = spec.training
    progress = TrainingProgress(spec.name, recipe.epochs, recipe.images)
    folder = run.folder.attempt.path
    draw = drawer(
        likelihood, folder,
        n=benchmark.tracking.pictures, seed=spec.seed, say=say, counted_in=recipe.counted_in,
    )  # fmt: skip
    with signals.noted() as came:
        observer = Observer(progress.on_validation, progress.on_step, say, came, draw, prove_no_leak)
        result = fit(
            model, likelihood, data, spec,
            run_dir=folder, device=device, precision=precision, saving=benchmark.saving, observer=observer,
        )  # fmt: skip
    return result.epoch
