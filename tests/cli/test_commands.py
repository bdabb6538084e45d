"""The command line as a user meets it: a run from config to samples, and mistakes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from support.toy import DATASET, toy

from pixelcnn.cli import main
from pixelcnn.data.prepared import load_prepared
from pixelcnn.models.registry import build_model
from pixelcnn.results import checkpoint
from pixelcnn.results.records import RunFolder
from pixelcnn.sampling.api import sample
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.training.loop import fit, image_spec


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy(tmp_path)
    return tmp_path


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


def test_a_run_begins_with_the_weights_of_its_seed_and_is_drawn_at_the_temperature_of_the_config(folder):
    toy(folder, sampling={"images": 4, "completions": 2, "temperature": 0.3}, training={"epochs": 1})
    run = ["toy.yaml", "--variant", "base", "--seed", "1"]
    assert [main([*c]) for c in (["prepare", "toy.yaml"], ["train", *run])] == [0, 0]
    assert main(["sample", *run, "--also-complete"]) == 0
    benchmark, run_dir = load_resolved("toy.yaml"), folder / "results/toy/toy/base/seed1"
    spec, data = benchmark.run("toy", "base", 1), load_prepared(benchmark.data_file("toy"))

    seed = int(hashlib.sha256(b"1/initialisation").hexdigest()[:16], 16) // 2
    model, likelihood = build_model(spec.variant, image_spec(data), seed=seed)
    again = fit(model, likelihood, data, spec, run_dir=folder / "again", device=torch.device("cpu"))
    found = checkpoint.load(run_dir / "checkpoint.pt")
    assert all(torch.equal(found.weights[key], value) for key, value in again.weights.items())

    model, likelihood = found.model()
    with np.load(run_dir / "samples.npz") as drawn:
        expected = sample(model, likelihood, 4, seed=1, temperature=0.3)
        assert drawn["images"].tolist() == expected.tolist()
        assert expected.tolist() != sample(model, likelihood, 4, seed=1).tolist()
    with np.load(run_dir / "completions.npz") as drawn:
        given = torch.from_numpy(drawn["originals"][:, :, :3]).repeat_interleave(4, dim=0)
        expected = sample(model, likelihood, 8, seed=1 + 1_000_003, given=given, temperature=0.3)
        assert drawn["completions"].reshape(8, 1, 6, 6).tolist() == expected.tolist()


def test_samples_go_where_one_says(folder):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    assert [main([*c]) for c in (["prepare", "toy.yaml"], ["train", *run])] == [0, 0]
    assert main(["sample", *run, "-n", "3", "--sampling-seed", "9", "--out", "mine.npz"]) == 0
    with np.load("mine.npz") as samples:
        assert len(samples["images"]) == 3 and samples["labels"].tolist() == [-1] * 3
    assert Path("mine.png").exists()
    assert not (folder / "results/toy/toy/base/seed0/samples.npz").exists()


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


def test_an_edit_of_ones_own_file_makes_other_runs(folder, capsys):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    main(["train", *run])
    Path("toy_data.py").write_text(DATASET.replace("0.2", "0.3"))
    assert main(["evaluate", *run]) == 2 and "train it again" in capsys.readouterr().err
    main(["prepare", "toy.yaml"])
    assert main(["train", *run]) == 0 and "already trained" not in capsys.readouterr().out
    assert main(["evaluate", *run]) == 0
    assert main(["train", *run, "--digest", "0" * 16]) == 2 and "--digest" in capsys.readouterr().err


def test_a_test_likelihood_that_is_not_finite_fails_the_run(folder, capsys):
    import torch

    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    main(["train", *run])
    path = folder / "results/toy/toy/base/seed0/checkpoint.pt"
    good = path.read_bytes()
    content = torch.load(path, weights_only=True)
    next(iter(content["ema_weights"].values())).fill_(float("nan"))
    torch.save(content, path)
    assert main(["evaluate", *run]) == 1 and "21 of 21 images" in capsys.readouterr().err
    record = RunFolder(path.parent).record()
    assert record.status == "failed" and "NaN or infinite" in record.error
    path.write_bytes(good)
    assert main(["evaluate", *run]) == 0
    record = RunFolder(path.parent).record()
    assert record.status == "finished" and record.error is None


MISTAKES = [
    (["plan", "nowhere.yaml"], ["nowhere.yaml", "cannot read"]),
    (["plan", "--json", "{"], ["--json", "not valid JSON"]),
    (["prepare", "toy.yaml", "--dataset", "digits"], ["'digits'", "toy"]),
    (["train", "toy.yaml", "--variant", "bas", "--seed", "0"], ["variants", "'bas'", "base, cond"]),
    (["train", "toy.yaml", "--variant", "base", "--seed", "5"], ["seeds", "5", "[0, 1]"]),
    (["train", "toy.yaml", "--variant", "base", "--seed", "0"], ["data.npz", "pixelcnn prepare"]),
    (["train", "toy.yaml", "--variant", "base", "--seed", "0", "--threads", "0"], ["--threads", "0"]),
    (["evaluate", "toy.yaml", "--variant", "base", "--seed", "0"], ["checkpoint.pt", "train"]),
    (["sample", "toy.yaml", "--variant", "base", "--seed", "0"], ["checkpoint.pt", "train"]),
    (["analyse", "toy.yaml", "--variant", "base", "--seed", "0"], ["checkpoint.pt", "pixelcnn train"]),
    (["measure", "toy.yaml", "--variant", "base"], ["checkpoint.pt", "pixelcnn train"]),
    (["measure", "toy.yaml", "--variant", "base", "--seed", "7"], ["seeds", "7", "[0, 1]"]),
    (["classify", "toy.yaml"], ["data.npz", "pixelcnn prepare"]),
    (["classify", "toy.yaml", "--dataset", "digits"], ["'digits'", "toy"]),
    (["report", "results/none"], ["results/none"]),
    (["track", "results/none"], ["results/none"]),
    (["ui", "results/none"], ["results"]),
    (["check", "nothing"], ["'nothing'", "pixelcnn"]),
    (["check", "nothing.py"], ["nothing.py", "no such file"]),
    (["check", "pixelcnn", "--hyperparameters", '{"blocks": -1}'], ["blocks", "-1"]),
    (["check", "pixelcnn", "--hyperparameters", "blocks"], ["--hyperparameters", "not valid JSON"]),
]


@pytest.mark.parametrize(("command", "said"), MISTAKES, ids=lambda v: "-".join(v[:2]))
def test_a_mistake_gives_one_message_and_status_2(folder, capsys, command, said):
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"pixelcnn {command[0]}: error: ") and "Traceback" not in error
    for words in said:
        assert words in error


def test_an_empty_wish_for_samples_is_refused(folder, capsys):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    main(["train", *run])
    assert main(["sample", *run, "-n", "0"]) == 2 and "-n" in capsys.readouterr().err
    assert main(["sample", *run, "--out", "digits.png"]) == 2 and ".npz" in capsys.readouterr().err
    for flag in (["--temperature", "0.5"], ["-n", "3"], ["--sampling-seed", "1"]):
        assert main(["sample", *run, *flag]) == 2
        assert f"{flag[0]}: needs --out" in capsys.readouterr().err, "the report shows what the config says"
    assert main(["sample", *run, "--also-complete", "--out", "x.npz"]) == 2
    assert "--also-complete" in capsys.readouterr().err


def test_results_of_another_config_are_refused(folder, capsys):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    main(["prepare", "toy.yaml"])
    main(["train", *run])
    toy(folder, training={"epochs": 3, "batch_size": 16})
    assert main(["evaluate", *run]) == 2 and "digest" in capsys.readouterr().err
    toy(folder, datasets={"toy": {"source": "toy_data.py", "levels": 4, "split_seed": 3}})
    assert main(["train", *run]) == 2 and "prepare it again" in capsys.readouterr().err


def test_a_loss_that_diverges_fails_with_status_1(folder, capsys):
    toy(folder, training={"epochs": 2, "learning_rate": 1e25, "gradient_clip": 1e30, "warmup_steps": 0})
    main(["prepare", "toy.yaml"])
    assert main(["train", "toy.yaml", "--variant", "base", "--seed", "0"]) == 1
    assert "NaN or infinite" in capsys.readouterr().err
    assert RunFolder(folder / "results/toy/toy/base/seed0").record().status == "failed"


def test_a_terminated_training_says_so_and_can_go_on(folder):
    toy(folder, training={"epochs": 100000, "batch_size": 16})
    main(["prepare", "toy.yaml"])
    command = [sys.executable, "-m", "pixelcnn", "train", "toy.yaml", "--variant", "base", "--seed", "0"]
    process = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )
    run = RunFolder(folder / "results/toy/toy/base/seed0")
    while not run.history():
        assert process.poll() is None, "it ended before its first epoch"
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 75
    assert run.record().status == "interrupted" and "stopped by SIGTERM" in run.record().error


MODEL = """
from dataclasses import dataclass
from pixelcnn.config.fields import at_least
from pixelcnn.layers.base import Chain
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.layers.pointwise import Activation, ClassBias, Pointwise
from pixelcnn.models.base import AutoregressiveModel

@dataclass(frozen=True)
class Hyperparameters:
    channels: int = at_least(1, 6)

class Mine(AutoregressiveModel):
    def build(self, hyper):
        return Chain(
            masked_conv(self.inputs, hyper.channels, 5, "A"),
            ClassBias(self.image.classes, hyper.channels),
            Activation(),
            Pointwise(hyper.channels, self.parameters_per_pixel, gain=0.1),
        )
"""


def test_an_architecture_of_ones_own_is_checked_and_run(folder, capsys):
    Path("mine.py").write_text(MODEL)
    assert main(["check", "mine.py", "--hyperparameters", '{"channels": 3}']) == 0
    output = capsys.readouterr().out
    assert "no leak" in output and "FAILED" not in output
    toy(folder, variants={"mine": {"model": "mine.py", "hyperparameters": {"channels": 4}}})
    run = ["toy.yaml", "--variant", "mine", "--seed", "0"]
    assert [
        main(c) for c in (["prepare", "toy.yaml"], ["train", *run], ["evaluate", *run], ["sample", *run])
    ] == [0] * 4


def test_a_faulty_architecture_of_ones_own_fails_its_check(folder, capsys):
    Path("leaky.py").write_text(MODEL.replace('5, "A"', '5, "B"'))
    assert main(["check", "leaky.py"]) == 1
    assert "FAILED  no leak" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("import dataclass", "import dataclas", "cannot be imported"),
        ("(AutoregressiveModel)", "", "one subclass of AutoregressiveModel, found none"),
        ("class Hyperparameters", "class Settings", "a dataclass called Hyperparameters"),
        ("build(self, hyper)", "build(self)", "cannot be built"),
    ],
)
def test_an_architecture_that_cannot_be_used_is_refused(folder, capsys, old, new, said):
    assert old in MODEL
    Path("broken.py").write_text(MODEL.replace(old, new))
    assert main(["check", "broken.py"]) == 2
    assert said in capsys.readouterr().err


def test_the_library_imports_neither_snakemake_nor_mlflow_to_train(folder):
    """As on a bare GPU machine, which has torch and little else."""
    absent = ["snakemake", "mlflow", "pydantic", "mlxtend", "yaml", "pandas", "seaborn", "scipy"]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({absent}))"
    main(["plan", "toy.yaml"])
    run = ["results/toy/config.json", "--variant", "cond", "--seed", "0"]
    of_the_run = [[command, *run] for command in ("train", "evaluate", "sample", "analyse", "measure")]
    commands = [["prepare", run[0]], ["classify", run[0]], *of_the_run]
    code = f"{blocked}; from pixelcnn.cli import main; print([main(c) for c in {commands}])"
    env = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stdout.splitlines()[-1] == str([0] * 7), done.stderr
