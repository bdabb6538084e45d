"""A benchmark's experiment: found, made or restored; beside another's where a server keeps users apart."""

from __future__ import annotations

import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.tracking.layout import experiment_tags
from pixelcnn.tracking.store import Store, mlflow_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

EXPERIMENT_NOTE = "mlflow.note.content"
REFUSED = "PERMISSION_DENIED"
OWN_ENDS = ("", ", 2", ", 3")  # of a user's own experiments
NOTED_SECONDS = 2.0  # within which a server notes whose an experiment is


def open_experiment(client: MlflowClient, store: Store, benchmark: Benchmark) -> tuple[str, str]:
    """The id and name of the benchmark's experiment, made or restored if need be, its title and note as now.

    The name is the benchmark's, unless a server has one of that name which the user may not change: then it
    is NAME (USER), which stays theirs, whatever they may change later. It is NAME (USER, 2), or 3, if the one
    before is not theirs either, as when a server was killed after it had made it and before it noted whose.

    Raises:
        UserError: if MLflow fails.
    """
    from mlflow.exceptions import MlflowException

    name = benchmark.benchmark
    with mlflow_errors(store, f"opening the experiment {name}"):
        own = own_names(store, benchmark)
        there = [number for number, one in enumerate(own) if client.get_experiment_by_name(one)]
        *others, last = own[there[-1] :] if there else [name, *own]
        for tried in others:
            # A server that has just made one for another process of the user notes at once whose it is.
            for pause in (0.0, NOTED_SECONDS) if tried in own else (0.0,):
                time.sleep(pause)
                try:
                    return _open(client, store, benchmark, tried), tried
                except MlflowException as error:
                    if error.error_code != REFUSED:
                        raise
        return _open(client, store, benchmark, last), last


def own_names(store: Store, benchmark: Benchmark) -> list[str]:
    """The experiment's names, in order, where the name is another's; none without users."""
    user = store.user()
    return [f"{benchmark.benchmark} ({user}{end})" for end in OWN_ENDS] if user else []


def find_experiment(
    client: MlflowClient, store: Store, benchmark: Benchmark, tracked: str | None = None
) -> Experiment | None:
    """That of `open_experiment`, or the one with the id `tracked`, another user's perhaps, of such a name.

    None if there is none.
    """
    from mlflow.exceptions import MlflowException

    names = [*reversed(own_names(store, benchmark)), benchmark.benchmark]
    with mlflow_errors(store, f"looking for the experiment {benchmark.benchmark}"):
        if tracked is not None:
            try:
                noted = client.get_experiment(tracked)
            except MlflowException as error:
                if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", REFUSED):
                    raise
            else:
                if noted.name == names[-1] or noted.name.startswith(f"{names[-1]} ("):
                    return noted
        found = (client.get_experiment_by_name(name) for name in names)
        return next((experiment for experiment in found if experiment), None)


def _open(client: MlflowClient, store: Store, benchmark: Benchmark, name: str) -> str:
    from mlflow.exceptions import MlflowException

    artifacts = store.artifacts / benchmark.benchmark if store.artifacts else None
    tags = experiment_tags(benchmark)
    if description := "\n\n".join(text.strip() for text in (benchmark.title, benchmark.note) if text):
        tags[EXPERIMENT_NOTE] = description
    found = client.get_experiment_by_name(name)
    if found and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    elif found and store.server:
        _check_permission(client, found)
    if found and artifacts and store.database and _lies_elsewhere(found, artifacts):
        found = _exchange(client, found, artifacts)
    if found is None:
        location = artifacts.as_uri() if artifacts else None
        try:
            return client.create_experiment(name, artifact_location=location, tags=tags)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return _open(client, store, benchmark, name)  # another process made it meanwhile
    for key, value in tags.items():
        if found.tags.get(key) != value:
            client.set_experiment_tag(found.experiment_id, key, value)
    return found.experiment_id


def _check_permission(client: MlflowClient, experiment: Experiment) -> None:
    """Raises MLflow's refusal if the user may not replace runs of an experiment, which takes the most of all.

    Whoever may delete its runs may restore it, and to restore one that is not deleted does nothing.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.restore_experiment(experiment.experiment_id)
    except MlflowException as error:
        if error.error_code == REFUSED:
            raise


def _lies_elsewhere(experiment: Experiment, artifacts: Path) -> bool:
    """Whether its files lie beside another database, from whose place this one was moved or copied.

    MLflow cannot change where that is, and a copy must not write into the original's folder.
    """
    parts = urllib.parse.urlsplit(experiment.artifact_location)
    place = Path(urllib.parse.unquote(parts.path))
    ours = parts.scheme == "file" and place.parts[-2:] == artifacts.parts[-2:]
    return ours and place.resolve() != artifacts.resolve()


def _exchange(client: MlflowClient, old: Experiment, artifacts: Path) -> Experiment | None:
    """The experiment of this place, if there was one; that of the other place takes a name that tells it."""
    client.rename_experiment(old.experiment_id, f"{old.name}, files at {old.artifact_location}")
    kept = client.get_experiment_by_name(f"{old.name}, files at {artifacts.as_uri()}")
    if kept is not None:
        client.rename_experiment(kept.experiment_id, old.name)
    return kept
