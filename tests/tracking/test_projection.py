"""MLflow as a projection of run folders: what it holds equals the disk, and a second look changes nothing."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from support.mlflow_runs import HERE, dump, runs, values

from benchmarks.made_up import digits, metrics, write_run
from pixelcnn.images.grids import save_grid
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.system.errors import UserError
from pixelcnn.tracking import projection
from pixelcnn.tracking.store import URI_VARIABLE, default_store

pytest.importorskip("mlflow")


def test_shows_a_finished_run(made):
    spec = made.runs()[0]
    folder = write_run(made, spec)
    save_grid(RunFolder(folder).sample_grid, digits(20)[0], 2)
    (folder / "checkpoint.pt").write_bytes(b"weights")

    summary = projection.project(folder_of(made).path)

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

    RunFolder(folder).model.write_bytes(b"weights")  # as where a watcher looked before the evaluation
    projection.project(folder_of(made).path)
    assert f"runs:/{run['info']['run_id']}/model" in runs(made)[0]["tags"]["mlflow.note.content"]


def test_a_second_projection_changes_nothing(made):
    write_run(made, made.runs()[0])
    write_run(made, made.runs()[1], status="failed", record_values={"error": "loss is NaN", **HERE})
    projection.project(folder_of(made).path)
    before = dump(made)

    summary = projection.project(folder_of(made).path)

    assert len(summary.unchanged) == 2 and not summary.updated and not summary.created
    assert dump(made) == before


def test_grows_with_the_history_and_uploads_at_the_end(made):
    spec = made.runs()[0]
    folder = write_run(made, spec, status="running", record_values=HERE)
    projection.project(folder_of(made).path)
    [run] = runs(made)
    assert run["info"]["status"] == "RUNNING" and run["info"]["end_time"] is None
    assert [step for step, _, _ in run["metrics"]["valid_nll"]] == [1, 2]
    assert set(run["files"]) == {"spec.json", "config.json"}

    lines = [json.dumps({**RunFolder(folder).history()[-1], "epoch": epoch}) for epoch in (3, 4)]
    with RunFolder(folder).history_file.open("a", encoding="utf-8") as stream:
        stream.write(lines[0] + "\n" + lines[1])  # the last one is still being written
    projection.project(folder_of(made).path)
    [run] = runs(made)
    assert [step for step, _, _ in run["metrics"]["valid_nll"]] == [1, 2, 3]

    write_run(made, spec, evaluated=False, sampled=False)
    projection.project(folder_of(made).path)
    [run] = runs(made)
    assert run["info"]["status"] == "FINISHED"
    assert [step for step, _, _ in run["metrics"]["valid_nll"]] == [1, 2, 3, 4]
    assert "history.png" in run["files"] and "nll" not in run["metrics"]


def test_a_finished_run_gets_its_metrics_later(made):
    spec = made.runs()[0]
    folder = write_run(made, spec, evaluated=False)
    projection.project(folder_of(made).path)
    files = runs(made)[0]["files"]

    metrics(spec, 23.5).write(RunFolder(folder).metrics_file)
    assert projection.project(folder_of(made).path).updated == [spec.name]

    [run] = runs(made)
    assert values(run, "nll") == [23.5]
    assert set(run["files"]) == {*files, "metrics.json"}
    assert files.items() <= run["files"].items(), "files that did not change were uploaded again"


def test_pictures_of_a_training_are_images_by_step_each_once(made):
    spec = made.runs()[0]
    folder = write_run(made, spec, status="running", record_values=HERE)
    for epoch in (1, 2):
        save_grid(RunFolder(folder).picture(epoch), digits(20, seed=epoch)[0], 2)
        for outcome in ("updated", "unchanged") if epoch == 2 else ("created", "unchanged"):
            assert getattr(projection.project(folder_of(made).path), outcome) == [spec.name]
    [run] = runs(made)
    assert run["info"]["status"] == "RUNNING" and run["tags"]["mlflow.loggedImages"] == "True"
    images = Path(unquote(urlsplit(run["info"]["artifact_uri"]).path)) / "images"
    steps = [int(path.name.split("+")[2]) for path in images.glob("*.png")]
    assert sorted(steps) == [1, 2] and len(list(images.glob("*.webp"))) == 2


def test_names_follow_the_config(made):
    write_run(made, made.runs()[0])
    projection.project(folder_of(made).path)
    config = json.loads((folder_of(made).path / "config.json").read_text(encoding="utf-8"))
    config["datasets"]["other"] = config["datasets"]["digits"]
    config["seeds"] = list(range(11))
    (folder_of(made).path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    projection.project(folder_of(made).path)
    assert [run["info"]["run_name"] for run in runs(made)] == ["gated · seed 00 · digits"]
    state = json.loads(dump(made)["experiment"]["mlflow.sharedViewState.pixelcnn"])
    assert "tags.`dataset`" in state["selectedColumns"]


def test_a_description_of_ones_own_stays(made):
    from mlflow import MlflowClient

    folder = write_run(made, made.runs()[0])
    save_grid(RunFolder(folder).sample_grid, digits(20)[0], 2)
    projection.project(folder_of(made).path)
    client = MlflowClient(tracking_uri=default_store(Path(made.results)).uri)
    client.set_tag(runs(made)[0]["info"]["run_id"], "mlflow.note.content", "mine")
    assert len(projection.project(folder_of(made).path).unchanged) == 1
    assert runs(made)[0]["tags"]["mlflow.note.content"] == "mine"


def test_one_damaged_run_does_not_hide_the_others(made):
    first, second = made.runs()
    (write_run(made, first) / "record.json").write_text("{", encoding="utf-8")
    write_run(made, second)

    summary = projection.project(folder_of(made).path)

    assert summary.created == [second.name] and not summary.ok
    assert "record.json" in summary.problems[0]


def test_environment_overrides_the_config_and_an_argument_both(made, tmp_path, monkeypatch, empty_database):
    paths = [tmp_path / name / "runs.db" for name in ("environment", "argument")]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(empty_database, path)
    write_run(made, made.runs()[0])
    monkeypatch.setenv(URI_VARIABLE, f"sqlite:///{paths[0]}")

    assert projection.project(folder_of(made).path).uri == f"sqlite:///{paths[0]}"
    assert (
        projection.project(folder_of(made).path, uri=f"sqlite:///{paths[1]}").uri == f"sqlite:///{paths[1]}"
    )

    assert [len(runs(made, uri=f"sqlite:///{path}")) for path in paths] == [1, 1]
    assert (tmp_path / "environment" / "artifacts").is_dir()


def test_missing_config_and_missing_mlflow_are_told_plainly(made, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"config\.json"):
        projection.project(tmp_path / "nowhere")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UserError, match="pip install"):
        projection.project(folder_of(made).path)


def test_where_mlflow_shows_the_runs_is_noted_beside_them(made):
    write_run(made, made.runs()[0], record_values=HERE)
    summary = projection.project(folder_of(made).path)
    noted = json.loads(folder_of(made).tracked.read_text(encoding="utf-8"))
    assert (noted["uri"], noted["experiment_id"]) == (summary.uri, summary.experiment_id)
    (run,) = runs(made)
    assert noted["runs"] == {run["tags"]["pixelcnn.run_id"]: run["info"]["run_id"]}
