"""`pixelcnn train`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Run, choose_run, say
from pixelcnn.system.errors import Interrupted, UserError, described

if TYPE_CHECKING:
    import torch

    from pixelcnn.config.run_spec import RunSpec
    from pixelcnn.data.prepared import PreparedData
    from pixelcnn.training.driving import Outcome, TrainingLoop


@click.command()
@options.of_a_run()
@click.option("--force", is_flag=True, help="Retrain what is already trained.")
@click.option("--digest", help="Refuse to train if the config means another run than this one.")
@click.option("--replace", help="Retrain if what is there is the training with this id (see record.json).")
@click.option(
    "--with", "others", type=int, multiple=True, metavar="SEED",
    help="Train this seed, too, unless it is trained or another process does: at once on a GPU, after the "
    "others on a CPU. How it ends is only said; the exit status is that of --seed.",
)  # fmt: skip
def train(run: Run, force: bool, digest: str | None, replace: str | None, others: tuple[int, ...]) -> None:
    """Train one run."""
    train_run(run, force=force, digest=digest, replace=replace, others=others)


def train_run(
    run: Run, *, force: bool, digest: str | None, replace: str | None, others: Sequence[int] = ()
) -> None:
    """What `train` does, for whoever does more.

    Raises:
        RunFailed: if the training fails; the record of its attempt says why.
    """
    from pixelcnn.system import locks

    if digest not in (None, run.spec.digest):
        raise UserError(
            f"--digest: the config now describes {run.spec.digest}, wanted is {digest}; "
            f"the config or a file of your own was changed meanwhile{_changes(run, digest)}"
        )
    seeds = sorted({run.spec.seed, *others})
    group = [run if seed == run.spec.seed else choose_run(run, run.spec.variant_name, seed) for seed in seeds]
    if _failed_before(run):
        group = [run]  # what failed is tried again alone
    with contextlib.ExitStack() as held:
        # Whoever trains seeds together holds the first of them: so their own jobs wait, instead of each
        # taking some. A training that a killed workflow left behind goes on by itself: it is waited for.
        for one in [run] if run is group[0] else [group[0], run]:
            waits = functools.partial(_say_who_is_waited_for, one)
            held.enter_context(locks.acquire(one.folder.lock, wait=True, on_wait=waits))
        data = run.data()
        due = [run] if _is_due(run, data, force, replace) else []
        if not due:
            print(f"{run.folder.path}: already trained; --force retrains it")
        due += _along(run, group, data, held)
        if due:
            _train(due, run, data, run.device())


def _say_who_is_waited_for(run: Run, holder: str) -> None:
    say(f"{run.spec.name}: waits for {holder}")


def _is_due(run: Run, data: PreparedData, force: bool = False, replace: str | None = None) -> bool:
    """Whether a run is to be trained. One that had ended and was killed before it took its place does so."""
    from pixelcnn.evaluation import export
    from pixelcnn.results import checkpoint
    from pixelcnn.system import signals
    from pixelcnn.training import records, state

    finished, exported = run.folder.checkpoint, run.folder.model
    if force:
        state.discard(run.folder.attempt.path)
    elif records.has_ended(run.folder, run.spec.digest, data.sha256):
        with signals.noted():
            _adopt(run)
    in_compact = exported.exists() and not finished.exists()  # there it stands for the checkpoint
    if (finished.exists() or in_compact) and not force and not _replaced(run, replace):
        found = export.load(exported).checkpoint if in_compact else checkpoint.load(finished)
        same = (found.spec.digest, found.data_sha256) == (run.spec.digest, data.sha256)
        if same and run.folder.told == run.spec.digest:
            return False
        why = "trained from the start (its records are gone or damaged)"
        why = why if same else _why_anew(found.spec, run.spec)
        say(f"{run.spec.name}: {why}; what is there stays until that has ended")
    return True


def _failed_before(run: Run) -> bool:
    """Whether the last training of this very run failed."""
    try:
        record = run.folder.attempt.record()
    except (UserError, TypeError):
        return False  # damaged: as good as none
    return record is not None and (record.digest, record.status) == (run.spec.digest, "failed")


def _along(run: Run, group: Sequence[Run], data: PreparedData, held: contextlib.ExitStack) -> Iterator[Run]:
    """The others of a group, whose first one is held, that are to be trained and that nobody else trains."""
    from pixelcnn.system import locks

    for number, other in enumerate(group):
        if other is run or _failed_before(other):
            continue
        if number > 0:
            try:
                held.enter_context(locks.acquire(other.folder.lock))
            except locks.Locked:
                continue
        try:
            due = _is_due(other, data)
        except UserError as error:  # its own job fails by it
            say(f"{other.spec.name}: {error}")
            continue
        if due:
            yield other


def _train(runs: Sequence[Run], own: Run, data: PreparedData, device: torch.device) -> None:
    """Train runs and put each in its place; what ends another than `own` is only said.

    For Snakemake takes away what a job has made whose exit status is not zero: each run's own job tells how
    that run went.
    """
    from pixelcnn.cli.precision import found_or_measured
    from pixelcnn.config.budget import epochs_words
    from pixelcnn.system import devices, signals

    asked, raised = own.spec.training.precision, None
    precision = found_or_measured(own.benchmark, device).chosen if asked == "auto" else asked
    with signals.noted() as came:
        loop_of = functools.partial(_loop, data=data, device=device, precision=precision, came=came)
        for run, outcome in zip(runs, _outcomes(runs, loop_of, device), strict=False):
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                _adopt(run)
            except Exception as error:
                if run is own:
                    raised = error
                else:
                    say(f"{run.spec.name}: {described(error)}")
                continue
            where = devices.device_name(device)
            print(f"{run.folder.checkpoint}: epoch {epochs_words(outcome.epoch)}, {where}", flush=True)
    if raised is not None:
        raise raised


def _outcomes(
    runs: Sequence[Run], loop_of: Callable[[Run], TrainingLoop], device: torch.device
) -> Iterator[Outcome]:
    """What becomes of each: on a GPU of all at once; a CPU is as fast if they follow each other."""
    from pixelcnn.training.driving import alone, together

    if device.type == "cuda" and len(runs) > 1:
        yield from together([loop_of(run) for run in runs], device)
        return
    for run in runs:
        try:
            outcome: Outcome = alone(loop_of(run), device)
        except Exception as error:
            outcome = error
        yield outcome
        if isinstance(outcome, Interrupted):
            return


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

    Signals must be only noted meanwhile: stopped in the middle of it there would be something of both.

    Raises:
        UserError: if it does not, as when a workflow was killed and the config edited before this had ended.
    """
    from pixelcnn.training import records

    if not run.still_asked_for():
        raise UserError(
            f"{run.folder.attempt.path}: trained, but {run.config} asks for another run by now; it takes its "
            "place once the config asks for it again and the same command is given"
        )
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


def _loop(
    run: Run,
    data: PreparedData,
    device: torch.device,
    precision: Literal["float32", "bfloat16"],
    came: Callable[[], int | None],
) -> TrainingLoop:
    """The training of a run, which says how far it is."""
    from pixelcnn.config.differences import edited, told
    from pixelcnn.images.while_training import drawer
    from pixelcnn.invariants.before_training import prove_no_leak
    from pixelcnn.models.registry import build_model
    from pixelcnn.system.code_digest import own_files
    from pixelcnn.system.progress import TrainingProgress
    from pixelcnn.system.seeding import derived_seed
    from pixelcnn.training.loop import image_spec, training_loop
    from pixelcnn.training.observer import Observer

    spec, benchmark = run.spec, run.benchmark
    seed = derived_seed(spec.seed, "initialisation")
    model, _ = build_model(spec.variant, image_spec(data), seed=seed)
    for key, name in (("model", spec.variant.model), ("likelihood", spec.variant.likelihood)):
        if other := edited(spec.own_files.get(key, {}), own_files(name)):
            raise UserError(
                f"{name}: edited after this command began ({told(other)}); the same command trains "
                "the network that it describes now"
            )
    recipe = spec.training
    progress = TrainingProgress(spec.name, recipe.epochs, recipe.images, run.folder.attempt.history)
    folder = run.folder.attempt.path
    draw = drawer(
        folder,
        n=benchmark.tracking.pictures, seed=spec.seed, say=say, counted_in=recipe.counted_in,
    )  # fmt: skip
    observer = Observer(progress.on_validation, progress.on_step, say, came, draw, prove_no_leak)
    return training_loop(
        model, data, spec,
        run_dir=folder, device=device, precision=precision, saving=benchmark.saving, observer=observer,
    )  # fmt: skip
