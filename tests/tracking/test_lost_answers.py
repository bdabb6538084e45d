"""A server that dies after it has done what it was asked to: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.mlflow_runs import held, runs

from benchmarks.made_up import digits, write_run
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.images.grids import save_grid
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.tracking import projection
from pixelcnn.tracking.store import TrackingError
from pixelcnn.tracking.view import Point
from pixelcnn.tracking.write import LONGEST_REQUEST, _requests

pytest.importorskip("mlflow")

CHANGES = ("create_run", "log_batch", "log_artifact", "log_artifacts", "set_tag", "set_terminated")


@pytest.fixture
def losing(monkeypatch) -> dict[str, int]:
    """The first change of each pass is made, and its answer lost; says how many there were."""
    import mlflow
    from mlflow.exceptions import MlflowException

    left = {"answers": 0, "lost": 0}

    def wrapped(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            if left["answers"] == 0:
                left["lost"] += 1
                raise MlflowException("Connection aborted: RemoteDisconnected")
            left["answers"] -= 1
            return result

        return call

    for name in CHANGES:
        monkeypatch.setattr(mlflow.MlflowClient, name, wrapped(getattr(mlflow.MlflowClient, name)))
    return left


def shown(made: Benchmark, **where: str) -> dict[str, Any]:
    """What is held of the one run, without MLflow's own ids."""
    [run] = runs(made, **where)
    pictures = Path(run["info"]["artifact_uri"].removeprefix("file://")) / "images"
    steps = sorted(path.name.rpartition("+timestamp+")[0] for path in pictures.glob("*"))
    values = {key: sorted(points) for key, points in run["metrics"].items()}
    return {"status": run["info"]["status"], "metrics": values, "params": run["params"], "pictures": steps}


def test_each_answer_may_be_lost_once(made, losing, tmp_path, empty_database):
    folder = RunFolder(write_run(made, made.runs()[0]))
    for epoch in (1, 4):
        save_grid(folder.picture(epoch), digits(2)[0], 2)
    for attempt in range(40):
        losing["answers"] = attempt % 2  # the first change, or the one after it
        try:
            projection.project(folder_of(made).path)
            break
        except TrackingError as error:
            assert "the server ended the connection" in str(error)
    assert losing["lost"] > 10
    losing["answers"] = 1000
    assert len(held(made)) == 1
    (other := tmp_path / "other").mkdir()
    uri = f"sqlite:///{shutil.copy(empty_database, other / 'undisturbed.db')}"
    projection.project(folder_of(made).path, uri=uri)
    assert shown(made) == shown(made, uri=uri)
    assert len(projection.project(folder_of(made).path, uri=uri).unchanged) == 1


def test_a_run_that_was_made_twice_is_there_once(made, monkeypatch):
    """As by a client that asks again because no answer came."""
    import mlflow

    write_run(made, made.runs()[0])
    real = mlflow.MlflowClient.create_run
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "create_run", lambda *asked: (real(*asked), real(*asked))[1])
        projection.project(folder_of(made).path)
    assert len(held(made)) == 2
    projection.project(folder_of(made).path)
    [kept] = runs(made)
    assert kept["info"]["status"] == "FINISHED" and kept["metrics"]


def test_a_step_is_sent_whole_or_not_at_all():
    lines = [[Point(key, 0.0, step, step) for key in "abcdefg"] for step in range(300)]
    sent = list(_requests(lines))
    assert [point for request in sent for point in request] == [point for line in lines for point in line]
    assert all(len(request) <= LONGEST_REQUEST and len(request) % 7 == 0 for request in sent)
