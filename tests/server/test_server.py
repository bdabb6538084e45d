"""A group's MLflow server: users with benchmarks of one name, kills, passwords, what is shown."""

from __future__ import annotations

import base64
import os
import re
import signal
import sys
import urllib.request
from pathlib import Path

import pytest
from server.held import differences, experiment_of, files, held, names, wanted
from server.lab import DATABASES, SECRET
from server.users import ended, made, pixelcnn, start
from support.waiting import wait_for

from pixelcnn.results.folder import folder_of

NAMES = {"toy", "toy (ana)", "toy (ben)"}


@pytest.fixture(autouse=True)
def _as_admin(lab_server, monkeypatch):
    """The tests themselves see everything."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", lab_server.passwords["admin"])
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


@pytest.fixture
def users(lab_server, tmp_path):
    """A finished benchmark each, `toy`, and nothing on the server."""
    lab_server.database.ask(
        "update experiments set name = 'old ' || name || experiment_id where experiments.name like 'toy%'"
    )
    result = {}
    for number, user in enumerate(("ana", "ben")):
        (tmp_path / user).mkdir()
        result[user] = folder_of(
            made(tmp_path / user, note=f"Of {user}", training={"epochs": 12 + number})
        ).path
    return result


def test_two_users_project_benchmarks_of_the_same_name_at_once(lab_server, users, tmp_path):
    both = {u: pixelcnn(lab_server.environment(u), "track", folder) for u, folder in users.items()}
    told = {user: ended(process) for user, process in both.items()}

    assert {status for status, _, _ in told.values()} == {0}, told
    assert len(names(lab_server)) == 2 and names(lab_server).keys() < NAMES
    second = next(user for user in users if experiment_of(lab_server, user) != "toy")
    assert told[second][1].count("\n") == 1
    assert f"toy there is not yours, so the runs are in toy ({second})" in told[second][1]
    for user, folder in users.items():
        (scratch := tmp_path / f"{user}-alone").mkdir()
        there = held(lab_server.server.uri, experiment_of(lab_server, user))
        assert differences(there, wanted(folder, scratch)) == []
        again = ended(pixelcnn(lab_server.environment(user), "track", folder))
        assert (again[0], "created" in again[1], "updated" in again[1]) == (0, False, False), again


def test_a_retrained_run_of_one_user_leaves_the_others_alone(lab_server, users):
    for user in ("ana", "ben"):
        assert ended(pixelcnn(lab_server.environment(user), "track", users[user]))[0] == 0
    before = held(lab_server.server.uri, "toy")
    record = next(users["ben"].glob("digits/gated/seed0/record.json"))
    record.write_text(
        re.sub(r'"run_id": "[^"]*"', '"run_id": "again"', record.read_text(encoding="utf-8")), "utf-8"
    )
    status, said, _ = ended(pixelcnn(lab_server.environment("ben"), "track", users["ben"]))
    assert status == 0 and "1 created" in said and "1 superseded" in said
    assert held(lab_server.server.uri, "toy") == before


def test_a_server_that_is_killed_in_the_middle_loses_nothing(lab_server, users, tmp_path):
    ana, ben = (lab_server.environment(user) for user in users)
    once = pixelcnn(ana, "track", users["ana"])
    watcher = pixelcnn(ben, "track", users["ben"], "--watch")
    there = (
        "select count(*) from runs join experiments using (experiment_id) where experiments.name like 'toy%'"
    )
    wait_for(lambda: int(lab_server.database.ask(there)) >= 3, seconds=300)
    lab_server.server.kill()
    status, _, told = ended(once)
    assert status == 2 and told.count("\n") == 1, told
    assert re.search(r"the server (cannot be reached|ended the connection)\n", told), told
    lab_server.database.stop(signal.SIGQUIT)
    lab_server.database.start()
    lab_server.server.start()
    assert ended(pixelcnn(ana, "track", users["ana"]))[0] == 0
    watcher.terminate()
    status, _, told = ended(watcher)
    assert status == 0 and "trying again every 10 s" in told, told
    for user, folder in users.items():
        (scratch := tmp_path / f"{user}-alone").mkdir()
        there = held(lab_server.server.uri, experiment_of(lab_server, user))
        assert differences(there, wanted(folder, scratch)) == []


def test_a_server_that_is_killed_before_it_notes_whose_an_experiment_is_keeps_nobody_out(lab_server, users):
    for user in users:
        assert ended(pixelcnn(lab_server.environment(user), "track", users[user]))[0] == 0
    second = next(user for user in users if experiment_of(lab_server, user) != "toy")
    lab_server.server.kill()
    theirs = f"resource_type = 'experiment' and resource_pattern = '{names(lab_server)[f'toy ({second})']}'"
    lost = lab_server.database.ask(f"delete from role_permissions where {theirs}", DATABASES[1])
    assert lost == "DELETE 1\n"
    lab_server.server.start()
    for outcome in ("3 created", "3 unchanged"):
        status, said, _ = ended(pixelcnn(lab_server.environment(second), "track", users[second]))
        assert status == 0 and outcome in said and f"the runs are in toy ({second}, 2)" in said, said


def test_artifacts_come_through_the_server(lab_server, users, tmp_path):
    from mlflow import MlflowClient

    assert ended(pixelcnn(lab_server.environment("ana"), "track", users["ana"]))[0] == 0
    client = MlflowClient(tracking_uri=lab_server.server.uri)
    runs = client.search_runs([names(lab_server)["toy"]])
    report = next(run for run in runs if run.data.tags["kind"] == "report")
    assert report.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert "index.html" in files(client, report.info.run_id)
    fetched = client.download_artifacts(report.info.run_id, "index.html", str(tmp_path))
    assert Path(fetched).read_bytes() == (users["ana"] / "report" / "index.html").read_bytes()


def test_a_wrong_password_is_told_in_a_line(lab_server, users):
    wrong = {**lab_server.environment("ana"), "MLFLOW_TRACKING_PASSWORD": f"{SECRET}-wrong"}
    for words in (("track", users["ana"]), ("ui", users["ana"], "--no-open")):
        status, said, told = ended(pixelcnn(wrong, *words))
        assert (status, said, told.count("\n")) == (2, "", 1)
        assert "the server does not know 'ana' with this password" in told and SECRET not in told
    nobody = {"MLFLOW_TRACKING_URI": lab_server.server.uri, "MLFLOW_TRACKING_USERNAME": ""}
    assert "asks for a name and a password" in ended(pixelcnn(nobody, "track", users["ana"]))[2]


def test_make_ui_tells_the_address_of_ones_own_runs_and_starts_nothing(lab_server, users):
    for user in ("ana", "ben"):
        environment = lab_server.environment(user)
        assert ended(pixelcnn(environment, "track", users[user]))[0] == 0
        config = users[user].parent / "toy.yaml"
        config.write_text((users[user] / "config.json").read_text(encoding="utf-8"), encoding="utf-8")
        installed = Path(sys.prefix) / "bin" / ".installed"
        make = ("make", "-s", "-o", installed, "ui", f"VENV={sys.prefix}", f"CONFIG={config}")
        status, said, told = ended(start(environment, *make))
        assert status == 0, told
        address = said.split("\n")[0].split()[-1]
        assert address.startswith(f"{lab_server.server.uri}/#/experiments/")
        mine = "toy" if user == "ana" else "toy (ben)"
        assert f"/experiments/{names(lab_server)[mine]}/" in address and "Their charts: http" in said
        token = base64.b64encode(f"{user}:{lab_server.passwords[user]}".encode()).decode()
        request = urllib.request.Request(address, headers={"Authorization": f"Basic {token}"})
        with urllib.request.urlopen(request) as page:
            assert b"<title>MLflow</title>" in page.read()


def test_no_password_is_written_anywhere(lab_server, users):
    address = lab_server.server.uri.replace("://", f"://ana:{lab_server.passwords['ana']}@")
    own = {"MLFLOW_TRACKING_URI": address, "MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_PASSWORD": ""}
    said = list(ended(pixelcnn(own, "track", users["ana"])))
    assert said[0] == 0, said
    said += ended(pixelcnn(own, "report", users["ana"])) + ended(pixelcnn(own, "track", users["ana"]))
    said += ended(pixelcnn(own, "ui", users["ana"], "--no-open"))
    watcher = pixelcnn(own, "track", users["ana"], "--watch")
    lab_server.server.kill()
    said += ended(pixelcnn(own, "track", users["ana"]))
    os.kill(watcher.pid, signal.SIGTERM)
    said += ended(watcher)
    assert SECRET not in str(said), said
    page = (users["ana"] / "report" / "index.html").read_text(encoding="utf-8")
    assert f"{lab_server.server.uri}/#/experiments/" in page
    for folder in (users["ana"].parent, lab_server.server.folder / "artifacts"):
        for path in folder.rglob("*"):
            assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in lab_server.database.dump()
