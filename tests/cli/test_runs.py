"""A run from config to samples by the command line, and what is made anew when."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from support.toy import DATASET, toy

from pixelcnn.cli import main
from pixelcnn.models import registry
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import BenchmarkFolder, RunFolder
from pixelcnn.scheduling.freshness import is_current
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system import locks
from pixelcnn.system.progress import TrainingProgress
from pixelcnn.system.seeding import derived_seed


def test_a_run_from_config_to_samples(folder, capsys):
    run = ["toy.yaml", "--variant", "cond", "--seed", "1"]
    assert main(["plan", "toy.yaml"]) == 0
    assert main(["prepare", "results/toy/config.json"]) == 0
    assert main(["train", *run]) == 0
    assert main(["evaluate", *run]) == 0
    assert main(["sample", *run]) == 0
    captured = capsys.readouterr()
    assert "4 runs" in captured.out and "nats/image" in captured.out and "classified right" in captured.out
    assert "epoch 2/2" in captured.err, "a log gets a line an epoch"
    run_dir = folder / "results/toy/toy/cond/seed1"
    assert RunFolder(run_dir).record().threads == 1
    metrics = RunFolder(run_dir).metrics()
    assert metrics.images == 21 and metrics.marginal_nll is not None
    with np.load(run_dir / "samples.npz") as samples:
        assert samples["images"].shape == (4, 1, 6, 6) and samples["labels"].tolist() == [0, 1, 0, 1]
    assert (run_dir / "samples.png").exists()


def test_samples_go_where_one_says(folder):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    assert [main([*c]) for c in (["prepare", "toy.yaml"], ["train", *run])] == [0, 0]
    assert main(["sample", *run, "-n", "3", "--sampling-seed", "9", "--out", "mine.npz"]) == 0
    with np.load("mine.npz") as samples:
        assert len(samples["images"]) == 3 and samples["labels"].tolist() == [-1] * 3
    assert Path("mine.png").exists()
    assert not (folder / "results/toy/toy/base/seed0/samples.npz").exists()


def test_labels_are_for_conditional_variants(folder, capsys):
    main(["prepare", "toy.yaml"])
    drawn = ["--labels", "1", "-n", "2", "--out", "ones.npz"]
    for variant, status in (("cond", 0), ("base", 2)):
        run = ["toy.yaml", "--variant", variant, "--seed", "0"]
        assert main(["train", *run]) == 0
        assert main(["sample", *run, *drawn]) == status
    assert "--labels: this variant is unconditional" in capsys.readouterr().err
    with np.load("ones.npz") as samples:
        assert samples["labels"].tolist() == [1, 1]


def test_completions_keep_the_upper_half_and_are_of_test_images_that_there_are(folder, capsys):
    run = ["toy.yaml", "--variant", "cond", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    main(["train", *run])
    halves = ["--complete", "--out", "halves.npz"]
    assert main(["sample", *run, *halves, "-n", "3"]) == 0 and Path("halves.png").exists()
    with np.load("halves.npz") as file:
        originals, completions = file["originals"][:, None], file["completions"]
        assert completions.shape == (3, 4, 1, 6, 6) and file["given_rows"] == 3
    assert (completions[..., :3, :] == originals[..., :3, :]).all()
    assert (completions[..., 3:, :] != originals[..., 3:, :]).any()
    assert main(["sample", *run, *halves, "-n", "22"]) == 2
    assert "-n: there are 21 test images" in capsys.readouterr().err


def test_a_trained_run_is_trained_anew_only_by_force(folder, capsys):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    main(["train", *run])
    folder_of_run = RunFolder(folder / "results/toy/toy/base/seed0")
    first = folder_of_run.record().run_id
    assert main(["train", *run]) == 0 and "already trained" in capsys.readouterr().out
    assert folder_of_run.record().run_id == first
    assert main(["train", *run, "--force"]) == 0
    assert folder_of_run.record().run_id != first


@pytest.fixture
def seeds(folder):
    """The runs of three seeds, prepared, and the command that trains one of them."""
    config = json.loads(Path("toy.yaml").read_text(encoding="utf-8"))
    Path("toy.yaml").write_text(json.dumps({**config, "seeds": [0, 1, 2]}), encoding="utf-8")
    assert main(["prepare", "toy.yaml"]) == 0
    results = BenchmarkFolder(folder / "results" / "toy")
    return [results.run("toy", "base", n) for n in range(3)], [
        "train",
        "toy.yaml",
        "--variant",
        "base",
        "--seed",
    ]


def test_other_seeds_are_trained_in_the_same_command_unless_they_are_done_or_held(seeds, capsys):
    runs, train = seeds
    with locks.acquire(runs[2].lock):
        assert main([*train, "1", "--with", "0", "--with", "2"]) == 0
    assert [run.checkpoint.exists() for run in runs] == [True, True, False]
    along = checkpoint.load(runs[0].checkpoint).weights
    files = {path.name for path in runs[0].path.iterdir()}
    assert main([*train, "0"]) == 0 and "already trained" in capsys.readouterr().out
    assert main([*train, "0", "--force"]) == 0
    alone = checkpoint.load(runs[0].checkpoint).weights
    assert all(torch.equal(along[key], alone[key]) for key in alone), "on a CPU as alone, bit for bit"
    assert {path.name for path in runs[0].path.iterdir()} == files


def test_a_seed_that_fails_or_is_stopped_beside_others_is_said_and_fails_its_own_job_only(
    seeds, capsys, monkeypatch
):
    runs, train = seeds
    build = registry.build_model

    def spoilt(variant, image, *, seed=1):
        model, likelihood = build(variant, image, seed=seed)
        if seed == derived_seed(0, "initialisation"):
            with torch.no_grad():
                next(model.parameters()).fill_(torch.nan)
        return model, likelihood

    def stop(self, line):
        if self.name.endswith("seed2"):
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(registry, "build_model", spoilt)
        patched.setattr(TrainingProgress, "on_validation", stop)
        assert main([*train, "1", "--with", "0", "--with", "2"]) == 0
        said = capsys.readouterr().err
        assert main([*train, "0", "--with", "2"]) == 1, "alone: it failed before"
    assert "toy/base/seed0: the loss or" in said and "toy/base/seed2: Interrupted: stopped by SIGTERM" in said
    attempts = [run.attempt.record() for run in (runs[0], runs[2])]
    assert [(one.status, one.resumes) for one in attempts] == [("failed", 0), ("interrupted", 0)]
    assert main([*train, "2", "--with", "0", "--with", "1"]) == 0
    assert runs[2].record().resumes == 1 and not runs[0].checkpoint.exists()


def test_a_seed_whose_files_are_damaged_fails_its_own_job_only(seeds, capsys):
    runs, train = seeds
    assert main([*train, "1"]) == 0
    runs[1].checkpoint.write_bytes(b"cut off")
    assert main([*train, "2", "--with", "0", "--with", "1"]) == 0
    assert runs[0].checkpoint.exists() and "toy/base/seed1: " in capsys.readouterr().err
    assert main([*train, "1", "--with", "0"]) == 2


def test_an_interrupted_run_that_is_forced_is_another_run(folder, monkeypatch):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    folder_of_run = RunFolder(folder / "results/toy/toy/base/seed0")

    def stop(self, line):
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingProgress, "on_validation", stop)
        assert main(["train", *run]) == 75
    first = folder_of_run.attempt.record()
    assert first.status == "interrupted" and folder_of_run.attempt.history()
    assert main(["train", *run, "--force"]) == 0
    forced = folder_of_run.record()
    assert forced.run_id != first.run_id and (forced.status, forced.resumes) == ("finished", 0)


def test_an_edit_of_ones_own_file_makes_other_runs(folder, capsys):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    main(["train", *run])
    Path("toy_data.py").write_text(DATASET.replace("0.2", "0.3"), encoding="utf-8")
    assert main(["evaluate", *run]) == 2 and "train it again" in capsys.readouterr().err
    main(["prepare", "toy.yaml"])
    assert main(["train", *run]) == 0 and "already trained" not in capsys.readouterr().out
    assert main(["evaluate", *run]) == 0
    assert main(["train", *run, "--digest", "0" * 16]) == 2 and "--digest" in capsys.readouterr().err


def test_results_of_another_config_are_refused(folder, capsys):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    main(["train", *run])
    toy(folder, training={"epochs": 3, "batch_size": 16})
    assert main(["evaluate", *run]) == 2 and "training.epochs: 2 then, 3 now" in capsys.readouterr().err
    toy(folder, datasets={"toy": {"source": "toy_data.py", "levels": 4, "split_seed": 3}})
    assert main(["train", *run]) == 2
    assert "(split_seed: 0 then, 3 now); prepare it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        (
            {"epochs": 3},
            "training.epochs: 2 then, 3 now), and not continued: the cosine of the learning rate",
        ),
        ({"epochs": 2, "learning_rate": 0.01}, "training.learning_rate: 0.02 then, 0.01 now);"),
    ],
)
def test_a_finished_training_stays_until_the_one_that_replaces_it_has_ended(folder, capsys, recipe, why):
    of_run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    for command in (["prepare", "toy.yaml"], ["train", *of_run], ["evaluate", *of_run]):
        assert main(command) == 0
    run = RunFolder(folder / "results/toy/toy/base/seed0")
    finished = {path: path.read_bytes() for path in (*run.evaluated, run.checkpoint, run.record_file)}
    seen = []

    def look(self, line):
        there = {path: path.read_bytes() for path in finished if path.exists()}
        seen.append(there == finished and run.attempt.record().status == "running")

    toy(folder, training={"batch_size": 16, "warmup_steps": 2, **recipe})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingProgress, "on_validation", look)
        assert main(["train", *of_run]) == 0
    assert seen == [True] * recipe["epochs"]
    assert why in (said := capsys.readouterr().err) and "what is there stays until that has ended" in said
    assert run.record().epochs == recipe["epochs"] and run.metrics() is None, "those were of the other one"
    assert main(["evaluate", *of_run]) == 0 and not run.attempt.path.exists()


def test_a_training_that_was_killed_before_it_replaced_another_does_so_next_time(folder, monkeypatch):
    of_run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    run = RunFolder(folder / "results/toy/toy/base/seed0")
    main(["prepare", "toy.yaml"])
    assert main(["train", *of_run]) == 0
    toy(folder, training={"epochs": 3, "batch_size": 16, "warmup_steps": 2})
    moves = 0
    replace = os.replace

    def killed_at(place):
        def move(source, target):
            nonlocal moves
            if "training" in str(source):
                moves += Path(target).resolve().parent == run.path.resolve()
                if moves == place:
                    raise KeyboardInterrupt
            replace(source, target)

        return move

    for place in (1, 3, 5):
        moves = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", killed_at(place))
            assert main(["train", *of_run, *(["--force"] if place > 1 else [])]) == 130
        trained = run.attempt.record().run_id
        benchmark = load_resolved("toy.yaml")
        spec = benchmark.run("toy", "base", 0)
        # The checkpoint counts as missing or as another's: whoever asks for it lets the same command run.
        assert not (run.checkpoint.exists() and is_current("train", benchmark, [spec]))
        assert main(["train", *of_run]) == 0
        assert run.record().run_id == trained and len(run.history()) == 3 and run.checkpoint.exists()


def test_a_run_whose_records_are_gone_is_trained_again(folder, capsys):
    of_run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    run = RunFolder(folder / "results/toy/toy/base/seed0")
    main(["prepare", "toy.yaml"])
    assert main(["train", *of_run]) == 0
    for path in (run.spec_file, run.record_file):
        for content in (None, "{"):
            path.unlink() if content is None else path.write_text(content, encoding="utf-8")
            assert main(["train", *of_run]) == 0
            assert "its records are gone or damaged" in capsys.readouterr().err
            assert run.spec() is not None and run.record() is not None
    assert main(["train", *of_run]) == 0 and "already trained" in capsys.readouterr().out


def test_a_training_that_replaces_another_by_its_id_goes_on_after_an_interruption(
    folder, capsys, monkeypatch
):
    of_run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    run = RunFolder(folder / "results/toy/toy/base/seed0")
    main(["prepare", "toy.yaml"])
    assert main(["train", *of_run]) == 0
    replaced = run.record().run_id
    anew = ["train", *of_run, "--replace", replaced]
    with monkeypatch.context() as patched:
        patched.setattr(
            TrainingProgress, "on_validation", lambda self, line: os.kill(os.getpid(), signal.SIGTERM)
        )
        assert main(anew) == 75
    begun = run.attempt.record()
    assert begun.run_id != replaced and (begun.epochs, begun.resumes) == (1, 0), "not what the other one left"
    assert run.record().run_id == replaced
    # An evaluation of what is there leaves what the other resumes from.
    assert main(["evaluate", *of_run]) == 0
    assert main(anew) == 0
    assert (run.record().run_id, run.record().resumes) == (begun.run_id, 1)
    capsys.readouterr()
    assert main(anew) == 0 and "already trained" in capsys.readouterr().out


def test_a_training_that_is_no_longer_asked_for_replaces_nothing_until_it_is(folder, capsys, monkeypatch):
    """Such as one that outlives its workflow, while the edit that it comes from is taken back."""
    of_run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    run = RunFolder(folder / "results/toy/toy/base/seed0")
    main(["prepare", "toy.yaml"])
    assert main(["train", *of_run]) == 0 and main(["evaluate", *of_run]) == 0
    before = {path: path.read_bytes() for path in (*run.evaluated, run.checkpoint, run.record_file)}
    other = {"epochs": 3, "batch_size": 16, "warmup_steps": 2}
    toy(folder, training=other)
    with monkeypatch.context() as patched:
        patched.setattr(TrainingProgress, "on_validation", lambda self, line: toy(folder))
        assert main(["train", *of_run]) == 2
    assert "toy.yaml asks for another run by now" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    trained = run.attempt.record()
    toy(folder, training=other)
    assert main(["train", *of_run]) == 0 and run.record() == trained, "nothing was trained again"
