"""Where folders lie and what they are called: copies, moves, odd names, file systems without locks."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.mlflow_runs import dump, held, rewrite_record, runs

from benchmarks.made_up import benchmark, write_run
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.system import locks
from pixelcnn.tracking import projection
from pixelcnn.tracking.store import default_store

pytest.importorskip("mlflow")


def copied(made: Benchmark, to: Path) -> Benchmark:
    """The benchmark's folder, copied by `cp -a`, and the benchmark that lies there."""
    shutil.copytree(folder_of(made).path, to / made.benchmark)
    return replace(made, results=str(to))


def files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("retrained", [False, True])
def test_a_copied_folder_gets_runs_of_its_own_beside_the_originals(made, tmp_path, retrained):
    uri = default_store(tmp_path).uri
    for spec in made.runs():
        write_run(made, spec)
    projection.project(folder_of(made).path)
    before = dump(made)
    copy = copied(made, tmp_path / "copy")
    if retrained:
        rewrite_record(folder_of(copy).run_of(made.runs()[0]).path, run_id="again")

    summary = projection.project(folder_of(copy).path, uri=uri)

    assert (len(summary.created), summary.superseded) == (2, [])
    after = dump(made)
    assert {key: value for key, value in after.items() if key in before} == before
    assert len(projection.project(folder_of(copy).path, uri=uri).unchanged) == 2
    assert len(projection.project(folder_of(made).path, uri=uri).unchanged) == 2
    assert dump(made) == after and len(held(made)) == 4

    # Each goes on by itself: a retrained original replaces its own run and no other.
    rewrite_record(folder_of(made).run_of(made.runs()[0]).path, run_id="anew")
    assert len(projection.project(folder_of(made).path).superseded) == 1
    assert len(projection.project(folder_of(copy).path, uri=uri).unchanged) == 2
    assert len(held(made)) == 4


def test_a_moved_folder_keeps_its_runs(made, tmp_path):
    uri = default_store(tmp_path).uri
    write_run(made, made.runs()[0])
    projection.project(folder_of(made).path)
    moved = shutil.move(folder_of(made).path, tmp_path / "elsewhere")
    assert len(projection.project(moved, uri=uri).unchanged) == 1
    rewrite_record(RunFolder(moved / "digits" / "gated" / "seed0").path, run_id="again")
    assert len(projection.project(moved, uri=uri).superseded) == 1
    # Where it was lies a copy now: of the two it is the copy that is new.
    shutil.copytree(moved, folder_of(made).path)
    assert len(projection.project(folder_of(made).path).created) == 1
    assert len(projection.project(moved, uri=uri).unchanged) == 1


def test_a_results_folder_that_is_copied_with_its_database_leaves_the_originals_files_alone(made, tmp_path):
    write_run(made, made.runs()[0])
    projection.project(folder_of(made).path)
    before, kept = dump(made), files(tmp_path / "mlflow" / "artifacts")
    shutil.copytree(tmp_path, copy := tmp_path.with_name(f"{tmp_path.name} copy"))
    moved = replace(made, results=str(copy))
    rewrite_record(folder_of(moved).run_of(made.runs()[0]).path, run_id="again")

    assert len(projection.project(folder_of(moved).path).created) == 1
    assert len(projection.project(folder_of(moved).path).unchanged) == 1

    [run] = runs(moved)
    assert run["info"]["artifact_uri"].startswith((copy / "mlflow").as_uri()) and run["files"]
    assert files(tmp_path / "mlflow" / "artifacts") == kept and dump(made) == before
    # One folder that is seen under two paths in turn, as by a container, finds its runs again under each.
    shutil.rmtree(tmp_path / "mlflow")
    shutil.copytree(copy / "mlflow", tmp_path / "mlflow")
    assert projection.project(folder_of(made).path).ok
    assert set(before) <= set(dump(made)), "the experiment with the runs of this place"


@pytest.mark.parametrize("name", ["out%20dir", "exp:1", "a?b%3F", "ü #;&='\" ~+\\"])
def test_any_name_of_a_results_folder_will_do(tmp_path, empty_database, monkeypatch, name):
    import mlflow.artifacts

    (work := tmp_path / "work").mkdir()
    monkeypatch.chdir(work)
    (Path(name) / "mlflow").mkdir(parents=True)
    shutil.copy(empty_database, Path(name) / "mlflow" / "mlflow.db")
    made = benchmark(Path(name), variants={"gated": {"model": "gated"}}, seeds=[0])
    weights = RunFolder(write_run(made, made.runs()[0])).model
    weights.write_bytes(b"weights")

    assert projection.project(folder_of(made).path).ok
    assert len(projection.project(folder_of(made).path).unchanged) == 1

    assert os.listdir(work) == [name], "nothing elsewhere"
    [run] = held(made)
    assert run["info"]["artifact_uri"].startswith((work / name / "mlflow" / "artifacts" / "toy").as_uri())
    artifact = f"{run['info']['artifact_uri']}/model/artifacts/{weights.name}"
    fetched = mlflow.artifacts.download_artifacts(artifact, dst_path=str(tmp_path / "fetched"))
    assert Path(fetched).read_bytes() == b"weights"


def test_tracking_needs_no_file_locks(made, monkeypatch):
    def refuse(stream, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    write_run(made, made.runs()[0])
    assert projection.project(folder_of(made).path).ok
    assert len(runs(made)) == 1
