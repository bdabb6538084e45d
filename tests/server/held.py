"""What a server holds of an experiment, and what it should: what the same folder gives in an own database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelcnn.tracking import projection
from pixelcnn.tracking.view import RUN_ID_TAG

#: Tags that say who gave which command, and in which folder.
BY_WHOM = ("mlflow.user", "mlflow.source.name")


def names(lab_server) -> dict[str, str]:
    """The experiments that the tests made: name to id."""
    lines = lab_server.database.ask(
        "select name, experiment_id from experiments where experiments.name like 'toy%'"
    ).splitlines()
    return dict(line.split("|") for line in lines)


def experiment_of(lab_server, user: str) -> str:
    """The name of a user's experiment."""
    # NAME (USER, 2) where a server was killed before it noted whose NAME (USER) is.
    return max((name for name in names(lab_server) if name.startswith(f"toy ({user}")), default="toy")


def held(uri: str, experiment: str) -> list[dict[str, Any]]:
    """All active runs of an experiment, without MLflow's own ids: equal if the same arrived.

    When a number was written depends on when the tracker looked: its file may be written anew with the same.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None, experiment
    runs = []
    for run in client.search_runs([found.experiment_id]):
        points = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        info = run.info
        runs.append(
            {
                "run": (info.run_name, info.status, info.start_time, info.end_time),
                "params": run.data.params,
                "tags": {
                    k: v.replace(info.run_id, "ID") for k, v in run.data.tags.items() if k not in BY_WHOM
                },
                "metrics": {k: sorted((m.step, m.value) for m in v) for k, v in points.items()},
                "files": sorted(files(client, info.run_id)),
            }
        )
    return sorted(runs, key=lambda run: run["tags"][RUN_ID_TAG])


def files(client: Any, run_id: str, folder: str | None = None) -> list[str]:
    """The names of a run's artifacts."""
    found = client.list_artifacts(run_id, folder)
    inner = [name for entry in found if entry.is_dir for name in files(client, run_id, entry.path)]
    return [entry.path for entry in found if not entry.is_dir] + inner


def wanted(directory: Path, scratch: Path) -> list[dict[str, Any]]:
    """What one undisturbed projection of a benchmark's folder gives in a fresh database."""
    uri = f"sqlite:///{scratch / 'wanted.db'}"
    assert projection.project(directory, uri=uri).ok
    return held(uri, directory.name)


def differences(there: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[Any]:
    """What is held otherwise than expected: the run, the key, what there is and what should be."""
    if len(there) != len(expected):
        return [[run["run"] for run in runs] for runs in (there, expected)]
    found: list[Any] = []
    for run, other in zip(there, expected, strict=True):
        for part, values in run.items():
            pairs = (values, other[part]) if isinstance(values, dict) else ({"": values}, {"": other[part]})
            keys = sorted(pairs[0].keys() | pairs[1].keys())
            all_ = [(run["run"][0], part, key, *(pair.get(key) for pair in pairs)) for key in keys]
            found += [entry for entry in all_ if entry[-2] != entry[-1]]
    return found
