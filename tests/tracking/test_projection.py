"""MLflow as a projection of run folders: what it holds equals the disk, and a second look changes nothing."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import http.server
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from benchmarks.made_up import benchmark, digits, metrics, write_run
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.images.grids import save_grid
from pixelcnn.report.compare import MEASURES
from pixelcnn.results.records import HISTORY, SAMPLE_GRID, TRACKED, RunFolder, picture_file
from pixelcnn.system.errors import UserError
from pixelcnn.tracking import projection, ui, watch
from pixelcnn.tracking.layout import COMPARISON_COLUMNS
from pixelcnn.tracking.store import URI_VARIABLE, default_store

pytest.importorskip("mlflow")
HERE = {"host": platform.node(), "pid": os.getpid()}


@pytest.fixture
def made(tmp_path, empty_database, monkeypatch) -> Benchmark:
    """Two runs to be, and the database that the results folder already has."""
    monkeypatch.delenv(URI_VARIABLE, raising=False)
    (tmp_path / "mlflow").mkdir()
    shutil.copy(empty_database, tmp_path / "mlflow" / "mlflow.db")
    variants = {"gated": {"model": "gated_pixelcnn", "conditional": True, "hyperparameters": {"channels": 8}}}
    return benchmark(tmp_path, variants=variants, seeds=[0, 1], training={"epochs": 4}, note="A note.")


def dump(made: Benchmark, uri: str | None = None) -> dict[str, Any]:
    """Everything MLflow holds of a benchmark, artifact files with their mtimes, by MLflow run id."""
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(tracking_uri=uri or default_store(Path(made.results)).uri)
    experiment = client.get_experiment_by_name(made.benchmark)
    found = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    held: dict[str, Any] = {"experiment": dict(experiment.tags)}
    for run in found:
        key_points = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        folder = Path(unquote(urlsplit(run.info.artifact_uri).path))
        held[run.info.run_id] = {
            "info": dict(run.info),
            "params": run.data.params,
            "tags": run.data.tags,
            "metrics": {k: [(m.step, m.value, m.timestamp) for m in v] for k, v in key_points.items()},
            "files": {p.name: p.stat().st_mtime_ns for p in folder.glob("*")},
        }
    return held


def runs(made: Benchmark, **options: Any) -> list[dict[str, Any]]:
    """The active runs of trainings, seed by seed."""
    trainings = [run for run in held(made, **options) if run["tags"]["kind"] == "run"]
    return sorted(trainings, key=lambda run: run["tags"]["seed"])


def held(made: Benchmark, **options: Any) -> list[dict[str, Any]]:
    """The active runs of `dump`."""
    found = [run for key, run in dump(made, **options).items() if key != "experiment"]
    return [run for run in found if run["info"]["lifecycle_stage"] == "active"]


def values(run: dict[str, Any], key: str) -> list[float]:
    return [value for _, value, _ in run["metrics"][key]]


def rewrite_record(folder: Path, **changes: Any) -> None:
    record = RunFolder(folder).record()
    assert record is not None
    dataclasses.replace(record, **changes).write(folder)


def test_shows_a_finished_run(made):
    spec = made.runs()[0]
    folder = write_run(made, spec)
    save_grid(folder / SAMPLE_GRID, digits(20)[0], 2)
    (folder / "checkpoint.pt").write_bytes(b"weights")

    summary = projection.project(made.directory)

    assert (summary.created, summary.waiting, summary.ok) == ([spec.name], [made.runs()[1].name], True)
    [run] = runs(made)
    assert run["info"]["status"] == "FINISHED"
    assert run["info"]["end_time"] - run["info"]["start_time"] == 20 * 60 * 1000
    record, result = RunFolder(folder).record(), RunFolder(folder).metrics()
    expected = {"variant": "gated", "dataset": "digits", "seed": "0", "host": "host", "digest": spec.digest}
    assert expected.items() <= run["tags"].items()
    assert run["tags"]["commit"] == record.commit
    assert run["params"]["model"] == "gated_pixelcnn"
    assert run["params"]["hyperparameters.channels"] == "8"
    assert run["params"]["training.epochs"] == "4"
    assert run["params"]["dataset.levels"] == "2"
    assert values(run, "valid_nll") == [line["valid_nll"] for line in RunFolder(folder).history()]
    assert [step for step, _, _ in run["metrics"]["train_nll"]] == [1, 2, 3, 4]
    assert values(run, "nll") == [result.nll]
    assert values(run, "marginal_bits_per_dim") == [result.marginal_bits_per_dim]
    assert values(run, "training_seconds") == [record.training_seconds]
    shown = {"spec.json", "config.json", "record.json", "metrics.json", "analysis.json", "checkpoint.pt"}
    assert set(run["files"]) == shown | {"history.png", "samples.png", "preview.png"}
    assert run["info"]["run_name"] == "gated · seed 0" and run["tags"]["kind"] == "run"
    assert values(run, "comparable_nll") == [result.marginal_nll]
    analysis = RunFolder(folder).analysis()
    assert values(run, "selected_valid_nll") == [analysis.valid_nll] != values(run, "valid_nll")[-1:]
    assert run["info"]["run_id"] in run["tags"]["mlflow.note.content"]
    assert dump(made)["experiment"]["mlflow.note.content"] == "A toy benchmark\n\nA note."


def test_a_second_projection_changes_nothing(made):
    write_run(made, made.runs()[0])
    write_run(made, made.runs()[1], status="failed", record_values={"error": "loss is NaN", **HERE})
    projection.project(made.directory)
    before = dump(made)

    summary = projection.project(made.directory)

    assert len(summary.unchanged) == 2 and not summary.updated and not summary.created
    assert dump(made) == before


def test_grows_with_the_history_and_uploads_at_the_end(made):
    spec = made.runs()[0]
    folder = write_run(made, spec, status="running", record_values=HERE)
    projection.project(made.directory)
    [run] = runs(made)
    assert run["info"]["status"] == "RUNNING" and run["info"]["end_time"] is None
    assert [step for step, _, _ in run["metrics"]["valid_nll"]] == [1, 2]
    assert set(run["files"]) == {"spec.json", "config.json"}

    lines = [json.dumps({**RunFolder(folder).history()[-1], "epoch": epoch}) for epoch in (3, 4)]
    with (folder / HISTORY).open("a") as stream:
        stream.write(lines[0] + "\n" + lines[1])  # the last one is still being written
    projection.project(made.directory)
    [run] = runs(made)
    assert [step for step, _, _ in run["metrics"]["valid_nll"]] == [1, 2, 3]

    write_run(made, spec, evaluated=False, sampled=False)
    projection.project(made.directory)
    [run] = runs(made)
    assert run["info"]["status"] == "FINISHED"
    assert [step for step, _, _ in run["metrics"]["valid_nll"]] == [1, 2, 3, 4]
    assert "history.png" in run["files"] and "nll" not in run["metrics"]


def test_a_finished_run_gets_its_metrics_later(made):
    spec = made.runs()[0]
    folder = write_run(made, spec, evaluated=False)
    projection.project(made.directory)
    files = runs(made)[0]["files"]

    metrics(spec, 23.5).write(folder)
    assert projection.project(made.directory).updated == [spec.name]

    [run] = runs(made)
    assert values(run, "nll") == [23.5]
    assert set(run["files"]) == {*files, "metrics.json"}
    assert files.items() <= run["files"].items(), "files that did not change were uploaded again"


def test_failed_and_vanished_runs_are_told_apart_and_may_recover(made):
    first, second = made.runs()
    error = {"error": "loss is NaN", "ended": "2026-01-05T10:01:00+00:00"}
    write_run(made, first, status="failed", record_values=error)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    folder = write_run(made, second, status="running", record_values={**HERE, "pid": process.pid})

    summary = projection.project(made.directory)

    assert list(summary.statuses.values()) == ["FAILED", "KILLED"]
    failed, vanished = runs(made)
    assert (failed["info"]["status"], vanished["info"]["status"]) == ("FAILED", "KILLED")
    assert failed["tags"]["error"] == "loss is NaN"
    assert f"process {process.pid}" in vanished["tags"]["error"]
    assert vanished["info"]["end_time"] == (folder / "record.json").stat().st_mtime_ns // 1_000_000

    rewrite_record(folder, **HERE)
    projection.project(made.directory)
    resumed = runs(made)[1]
    assert resumed["info"]["status"] == "RUNNING" and "error" not in resumed["tags"]


def test_a_run_that_was_interrupted_and_went_on_is_one_run_with_each_step_once(made):
    spec = made.runs()[0]
    write_run(made, spec, status="interrupted", record_values={**HERE, "error": "stopped by SIGTERM"})
    projection.project(made.directory)
    [run] = runs(made)
    assert run["info"]["status"] == "KILLED" and run["info"]["end_time"] is not None
    assert run["tags"]["error"] == "stopped by SIGTERM"

    # It goes on from a state that is older than its history.
    folder = write_run(made, spec, status="running", record_values={**HERE, "resumes": 1})
    history = folder / HISTORY
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:1]))
    projection.project(made.directory)
    [run] = runs(made)
    assert run["info"]["status"] == "RUNNING"  # MLflow keeps the end time, as for its own resumed runs
    assert "error" not in run["tags"] and run["tags"]["resumes"] == "1"

    write_run(made, spec, record_values={"resumes": 1})
    projection.project(made.directory)
    [run] = runs(made)
    assert run["info"]["status"] == "FINISHED"
    steps = {key: [step for step, _, _ in points] for key, points in run["metrics"].items()}
    assert steps.pop("valid_nll") == steps.pop("train_nll") == [1, 2, 3, 4]
    assert steps and all(found in ([0], [1, 2, 3, 4]) for found in steps.values())
    assert len(dump(made)) == 1 + 1, "no second run, not even a deleted one"


def test_a_retrained_run_replaces_the_superseded_one(made):
    for spec in made.runs():
        write_run(made, spec)
    projection.project(made.directory)
    rewrite_record(made.run_directory(made.runs()[0]), run_id="again")

    summary = projection.project(made.directory)

    assert summary.superseded == summary.created == [made.runs()[0].name]
    assert runs(made)[0]["tags"]["pixelcnn.run_id"] == "again"
    assert len(runs(made)) == 2 and len(dump(made)) == 1 + 3
    assert len(projection.project(made.directory).unchanged) == 2


def test_another_folder_of_the_same_name_keeps_its_runs(made, tmp_path):
    uri = default_store(tmp_path).uri
    write_run(made, made.runs()[0])
    other = benchmark(tmp_path / "elsewhere", variants={"gated": {"model": "other"}}, seeds=[0, 1])
    write_run(other, other.runs()[0])
    for directory in (made.directory, other.directory, made.directory):
        assert projection.project(directory, uri=uri).superseded == []
    assert len(runs(made)) == 2


def test_pictures_of_a_training_are_images_by_step_each_once(made):
    spec = made.runs()[0]
    folder = write_run(made, spec, status="running", record_values=HERE)
    for epoch in (1, 2):
        save_grid(picture_file(folder, epoch), digits(20, seed=epoch)[0], 2)
        for outcome in ("updated", "unchanged") if epoch == 2 else ("created", "unchanged"):
            assert getattr(projection.project(made.directory), outcome) == [spec.name]
    [run] = runs(made)
    assert run["info"]["status"] == "RUNNING" and run["tags"]["mlflow.loggedImages"] == "True"
    images = Path(unquote(urlsplit(run["info"]["artifact_uri"]).path)) / "images"
    steps = [int(path.name.split("+")[2]) for path in images.glob("*.png")]
    assert sorted(steps) == [1, 2] and len(list(images.glob("*.webp"))) == 2


def write_report(made: Benchmark, **numbers: float | str) -> None:
    """What of a report MLflow takes, with one variant in the comparison."""
    folder = made.directory / "report"
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    save_grid(folder / "figures" / "digits.nll.png", digits(20)[0], 2)
    row = {"dataset": "digits", "variant": "gated", "commits": "abc", **numbers}
    with (folder / "comparison.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(row))
        table.writeheader()
        table.writerow(row)
    for name in ("metrics.csv", "report.md", "index.html"):
        (folder / name).write_text(f"{name} of {numbers}")


def test_the_report_is_one_further_run_that_follows_it(made):
    for spec in made.runs():
        write_run(made, spec)
    assert "report" not in projection.project(made.directory).created
    write_report(made, rank=1, n=2, comparable_nll_mean=23.5, comparable_nll_sd=0.1, accuracy_mean="")
    assert projection.project(made.directory).created == ["report"]
    assert len(projection.project(made.directory).unchanged) == 3

    [report] = [run for run in held(made) if run["tags"]["kind"] == "report"]
    assert report["info"]["run_name"] == "Report and comparison" and report["info"]["status"] == "FINISHED"
    numbers = {"rank": 1.0, "n": 2.0, "comparable_nll_mean": 23.5, "comparable_nll_sd": 0.1}
    assert {key: values(report, key) for key in report["metrics"]} == {
        f"{key}/gated": [value] for key, value in numbers.items()
    }
    shown = {"index.html", "report.md", "metrics.csv", "comparison.csv", "figures", "preview.png"}
    assert set(report["files"]) == shown
    assert not {"variant", "dataset", "seed"} & set(report["tags"])

    # Another number is an update; a number that is gone makes another run, for MLflow forgets none.
    write_report(made, rank=1, n=2, comparable_nll_mean=23.6, comparable_nll_sd=0.1)
    assert projection.project(made.directory).updated == ["report"]
    [report] = [run for run in held(made) if run["tags"]["kind"] == "report"]
    assert values(report, "comparable_nll_mean/gated") == [23.5, 23.6]
    write_report(made, rank=1, n=1, comparable_nll_mean=23.6)
    summary = projection.project(made.directory)
    assert summary.created == summary.superseded == ["report"]
    [report] = [run for run in held(made) if run["tags"]["kind"] == "report"]
    assert "comparable_nll_sd/gated" not in report["metrics"] and values(report, "n/gated") == [1.0]
    assert len(runs(made)) == 2


def test_the_comparison_has_the_names_of_the_report():
    measured = {f"{key}_{part}" for key in MEASURES for part in ("mean", "sd", "low", "high")}
    assert set(COMPARISON_COLUMNS) <= measured | {"rank", "n"}


def test_names_follow_the_config(made):
    write_run(made, made.runs()[0])
    projection.project(made.directory)
    config = json.loads((made.directory / "config.json").read_text())
    config["datasets"]["other"] = config["datasets"]["digits"]
    config["seeds"] = list(range(11))
    (made.directory / "config.json").write_text(json.dumps(config))
    projection.project(made.directory)
    assert [run["info"]["run_name"] for run in runs(made)] == ["gated · seed 00 · digits"]
    state = json.loads(dump(made)["experiment"]["mlflow.sharedViewState.pixelcnn"])
    assert "tags.`dataset`" in state["selectedColumns"]


def test_a_description_of_ones_own_stays(made):
    from mlflow import MlflowClient

    folder = write_run(made, made.runs()[0])
    save_grid(folder / SAMPLE_GRID, digits(20)[0], 2)
    projection.project(made.directory)
    client = MlflowClient(tracking_uri=default_store(Path(made.results)).uri)
    client.set_tag(runs(made)[0]["info"]["run_id"], "mlflow.note.content", "mine")
    assert len(projection.project(made.directory).unchanged) == 1
    assert runs(made)[0]["tags"]["mlflow.note.content"] == "mine"


def test_one_damaged_run_does_not_hide_the_others(made):
    first, second = made.runs()
    (write_run(made, first) / "record.json").write_text("{")
    write_run(made, second)

    summary = projection.project(made.directory)

    assert summary.created == [second.name] and not summary.ok
    assert "record.json" in summary.problems[0]


def test_environment_overrides_the_config_and_an_argument_both(made, tmp_path, monkeypatch, empty_database):
    paths = [tmp_path / name / "runs.db" for name in ("environment", "argument")]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(empty_database, path)
    write_run(made, made.runs()[0])
    monkeypatch.setenv(URI_VARIABLE, f"sqlite:///{paths[0]}")

    assert projection.project(made.directory).uri == f"sqlite:///{paths[0]}"
    assert projection.project(made.directory, uri=f"sqlite:///{paths[1]}").uri == f"sqlite:///{paths[1]}"

    assert [len(runs(made, uri=f"sqlite:///{path}")) for path in paths] == [1, 1]
    assert (tmp_path / "environment" / "artifacts").is_dir()


def test_watch_follows_a_training_until_its_parent_is_gone(made, capsys):
    spec = made.runs()[0]
    config = made.directory / "config.json"
    hidden = config.rename(config.with_suffix(".hidden"))
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(2.5)"])

    def train() -> None:
        time.sleep(0.3)  # the watcher must wait for the config
        hidden.rename(config)
        write_run(made, spec, status="running", record_values=HERE)
        time.sleep(1.2)
        write_run(made, spec)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        assert projection.watch(made.directory, interval=0.1, parent_pid=parent.pid)
    finally:
        thread.join()
        parent.wait()
    [run] = runs(made)
    assert run["info"]["status"] == "FINISHED" and len(run["metrics"]["valid_nll"]) == 4
    said = capsys.readouterr().err
    assert said.index(f"{spec.name}: RUNNING") < said.index(f"{spec.name}: FINISHED")


def test_watch_ends_on_sigterm_with_a_last_pass(made):
    write_run(made, made.runs()[0])
    before = signal.getsignal(signal.SIGTERM)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert projection.watch(made.directory, interval=60)
    assert len(runs(made)) == 1
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_server_that_is_down_fails_the_last_pass_only(made, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.0)
    write_run(made, made.runs()[0])
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()

    assert not projection.watch(made.directory, interval=0.1, uri="http://127.0.0.1:9")

    said = capsys.readouterr().err
    assert said.count("trying again") == 1 and said.count("the last pass failed") == 1
    assert "Traceback" not in said
    with pytest.raises(projection.TrackingError, match=r"127\.0\.0\.1:9"):
        projection.project(made.directory, uri="http://127.0.0.1:9")


class Refusing(http.server.BaseHTTPRequestHandler):
    """A server that answers every call with "not now"."""

    def do_GET(self):
        self.send_error(503)

    do_POST = do_GET

    def log_message(self, format, *args):
        pass


@contextlib.contextmanager
def unhelpful_server(kind: str) -> Iterator[str]:
    """The address of a server that refuses, or one that takes connections and never answers."""
    if kind == "silent":
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield f"http://127.0.0.1:{silent.getsockname()[1]}"
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("kind", ["silent", "refusing"])
def test_what_a_slow_or_refusing_server_missed_is_delivered_later(made, monkeypatch, kind):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    for spec in made.runs():
        write_run(made, spec)
    with unhelpful_server(kind) as uri, pytest.raises(projection.TrackingError, match=r"127\.0\.0\.1"):
        projection.project(made.directory, uri=uri)
    assert len(projection.project(made.directory).created) == 2
    assert all([step for step, _, _ in run["metrics"]["valid_nll"]] == [1, 2, 3, 4] for run in runs(made))


def test_the_ui_has_a_command_and_an_address(made, tmp_path):
    projection.project(made.directory)
    for folder in (tmp_path, made.directory):
        command = ui.ui_command(folder, port=5123)
        assert command[command.index("--backend-store-uri") + 1] == default_store(tmp_path).uri
        assert command[command.index("--host") + 1] == "127.0.0.1"
    assert ui.runs_address(made.directory, port=5123).startswith("http://127.0.0.1:5123/#/experiments/")
    with pytest.raises(UserError, match=r"mlflow\.db: no MLflow database"):
        ui.ui_command(tmp_path / "nowhere")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} on .* is not free"):
            ui.serve(made.directory, port=port)


@pytest.mark.parametrize(("desktop", "wanted"), [(True, True), (True, False), (False, True)])
def test_a_browser_opens_once_the_server_answers_and_only_on_a_desktop(
    made, monkeypatch, capsys, desktop, wanted
):
    projection.project(made.directory)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # A server in the place of MLflow's, which takes seconds.
    code = f"""
import http.server, threading
class OK(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        threading.Timer(1, server.shutdown).start()
server = http.server.ThreadingHTTPServer(("127.0.0.1", {port}), OK)
server.timeout = 1
threading.Timer(3, server.shutdown).start()
server.serve_forever()
"""
    command = [sys.executable, "-c", code]
    monkeypatch.setattr(ui, "ui_command", lambda folder, port: command)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    if desktop:
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    opened: list[str] = []
    monkeypatch.setattr(ui.webbrowser, "open", opened.append)

    assert ui.serve(made.directory, port=port, open_browser=wanted) == 0

    address = ui.runs_address(made.directory, port=port)
    assert opened == ([address] if desktop and wanted else [])
    assert address in capsys.readouterr().out


def test_missing_config_and_missing_mlflow_are_told_plainly(made, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"config\.json"):
        projection.project(tmp_path / "nowhere")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UserError, match="pip install"):
        projection.project(made.directory)


def test_where_mlflow_shows_the_runs_is_noted_beside_them(made):
    write_run(made, made.runs()[0], record_values=HERE)
    summary = projection.project(made.directory)
    noted = json.loads((made.directory / TRACKED).read_text())
    assert (noted["uri"], noted["experiment_id"]) == (summary.uri, summary.experiment_id)
    (run,) = runs(made)
    assert noted["runs"] == {run["tags"]["pixelcnn.run_id"]: run["info"]["run_id"]}
