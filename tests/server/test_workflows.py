"""Whole workflows of two users at a group's MLflow server, which is killed or refuses them meanwhile."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from server.held import differences, experiment_of, held, names, wanted
from server.lab import SECRET
from server.users import ended, pixelcnn, start
from support.snakemake import command
from support.waiting import wait_for

from pixelcnn.results.folder import RunFolder

NETWORK = {"model": "pixelcnn", "hyperparameters": {"channels": 4, "blocks": 1, "head_channels": 4}}


def workflow(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Snakemake on a tiny benchmark `toy`."""
    value = {
        "benchmark": "toy",
        "datasets": {"digits": {"source": "mnist5k", "image_size": 7, "levels": 4}},
        "variants": {"network": NETWORK, "independent": {"model": "independent"}},
        "seeds": [0],
        "training": {"epochs": 24, "batch_size": 64, "precision": "float32"},
        "sampling": {"images": 4, "completions": 1},
    }
    folder.mkdir(exist_ok=True)
    (folder / "toy.yaml").write_text(json.dumps(value), encoding="utf-8")
    return start(environment, *command(folder, "report", cores=1)["args"])


@pytest.fixture
def uri(lab_server, monkeypatch) -> str:
    """The server, seen by its administrator, without an experiment of this name."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", lab_server.passwords["admin"])
    lab_server.database.ask(
        "update experiments set name = 'old ' || name || experiment_id where name like 'toy%'"
    )
    return lab_server.server.uri


def test_two_workflows_outlive_a_server_that_is_killed(lab_server, uri, tmp_path, monkeypatch):
    import mlflow

    users = {user: tmp_path / user for user in ("ana", "ben")}
    both = {user: workflow(folder, lab_server.environment(user)) for user, folder in users.items()}
    wait_for(lambda: len(names(lab_server)) == 2, seconds=300)
    lab_server.server.kill()
    logs = [folder / "results" / "toy" / "logs" / "track.log" for folder in users.values()]
    wait_for(lambda: all("trying again" in log.read_text(encoding="utf-8") for log in logs), seconds=300)
    lab_server.server.start()
    told = {user: ended(process) for user, process in both.items()}
    assert any("MLflow answers again" in log.read_text(encoding="utf-8") for log in logs)

    for user, folder in users.items():
        status, said, log = told[user]
        assert status == 0 and "Report: " in said + log, log
        if "MLflow has not got everything" in said + log:  # it ended before the server was there again
            again = ended(pixelcnn(lab_server.environment(user), "track", folder / "results" / "toy"))
            assert again[0] == 0, again
        results = folder / "results" / "toy"
        experiment = experiment_of(lab_server, user)
        (scratch := tmp_path / f"{user}-alone").mkdir()
        there = held(uri, experiment)
        assert len(there) == 3 and differences(there, wanted(results, scratch)) == []
        for path in [*folder.rglob("*.log"), results / "tracking.json", results / "report" / "index.html"]:
            assert SECRET not in path.read_text(encoding="utf-8"), path
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    [run] = mlflow.search_runs(
        experiment_names=["toy"], filter_string="tags.variant = 'network'", output_format="list"
    )
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert np.isfinite(model.predict(np.zeros((1, 1, 7, 7), np.uint8))).all()


def test_a_wrong_password_hurts_no_workflow_and_what_it_missed_comes_later(lab_server, uri, tmp_path):
    right = lab_server.environment("ana")
    wrong = {**right, "MLFLOW_TRACKING_PASSWORD": f"{SECRET}-wrong"}
    status, said, log = ended(workflow(tmp_path / "ana", wrong))
    results = tmp_path / "ana" / "results" / "toy"
    assert status == 0 and (results / "report" / "index.html").exists(), log
    hint = re.search(r"MLflow has not got everything: see (.*); .*`pixelcnn (track .*)` delivers", said + log)
    assert hint, log
    told = Path(tmp_path / "ana" / hint[1]).read_text(encoding="utf-8").splitlines()
    assert [line.partition("does not know")[2][:6] for line in told] == [" 'ana'", " 'ana'"], told
    assert not names(lab_server) and SECRET not in str(told)

    later = start(right, "bash", "-c", f"cd {tmp_path / 'ana'} && pixelcnn {hint[2]}")
    assert ended(later)[0] == 0
    (scratch := tmp_path / "alone").mkdir()
    assert differences(held(uri, "toy"), wanted(results, scratch)) == []
    assert RunFolder(results / "digits" / "network" / "seed0").model.exists()
