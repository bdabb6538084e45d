"""`pixelcnn trial`."""

from __future__ import annotations

import click

from pixelcnn.cli import options
from pixelcnn.cli.runs import Run, say


@click.command()
@options.of_a_run()
@click.option("--digest", help="Refuse to train if the config means another run than this one.")
@click.option("--replace", help="Retrain if what is there is the training with this id (see record.json).")
def trial(run: Run, digest: str | None, replace: str | None) -> None:
    """Train a trial of a tuning; a failure is a result."""
    from pixelcnn.cli.train import train_run
    from pixelcnn.results.records import TrialRecord
    from pixelcnn.system.errors import RunFailed
    from pixelcnn.training import state
    from pixelcnn.tuning.trials import tuned

    tuned(run.benchmark)  # or these are no trials
    trained = run.folder
    try:
        train_run(run, force=False, digest=digest, replace=replace)
    except RunFailed as failure:
        trained = run.folder.attempt
        record = trained.record()
        if record is None or (record.digest, record.status) != (run.spec.digest, "failed"):
            raise  # it did not come as far as that, so it says nothing of the trial
        say(f"{run.spec.name}: failed: {failure}; it is not chosen, and the others go on")
    record = trained.record()
    assert record is not None
    found = TrialRecord.of(record, run.data().sha256)
    found.write(run.folder.trial_file)
    state.discard(run.folder.attempt.path)  # nothing is to be resumed any more
    print(f"{run.folder.trial_file}: {found.status}, best validation NLL {found.valid_nll}")
