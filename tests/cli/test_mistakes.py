"""Mistakes in a command: each gives one message that names what was wrong, and status 2."""

from __future__ import annotations

import pytest
from support.toy import toy

from pixelcnn.cli import main

RUN = ["toy.yaml", "--variant", "base", "--seed", "0"]

#: What a command is given, and the words of its answer.
MISTAKES = [
    (["train"], ["'CONFIG'"]),
    (["train", "toy.yaml", "--seed", "0"], ["'--variant'"]),
    (["train", "toy.yaml", "--variant", "base"], ["'--seed'"]),
    (["train", *RUN[:-1], "first"], ["'--seed'", "'first'"]),
    (["train", *RUN, "--treads", "2"], ["'--treads'", "'--threads'"]),
    (["train", *RUN, "more"], ["more"]),
    (["plan"], ["'CONFIG'"]),
    (["report"], ["'DIRECTORY'"]),
    (["ui", "results/toy", "--port", "http"], ["'--port'", "'http'"]),
    (["plan", "nowhere.yaml"], ["nowhere.yaml", "cannot read"]),
    (["prepare", "toy.yaml", "--dataset", "digits"], ["'digits'", "toy"]),
    (["train", "toy.yaml", "--variant", "bas", "--seed", "0"], ["variants", "'bas'", "base, cond"]),
    (["train", *RUN[:-1], "5"], ["seeds", "5", "[0, 1]"]),
    (["train", *RUN], ["data.npz", "pixelcnn prepare"]),
    (["train", *RUN, "--threads", "0"], ["--threads", "0"]),
    (["evaluate", *RUN], ["checkpoint.pt", "train"]),
    (["sample", *RUN], ["checkpoint.pt", "train"]),
    (["sample", *RUN, "-n", "0", "--out", "x.npz"], ["'-n'", "0"]),
    (["sample", *RUN, "--batch-size", "0"], ["'--batch-size'", "0"]),
    (["sample", *RUN, "--labels", "1,one", "--out", "x.npz"], ["'--labels'", "'1,one'", "whole numbers"]),
    (["sample", *RUN, "--out", "digits.png"], ["--out", ".npz", "digits.png"]),
    (["sample", *RUN, "--also-complete", "--out", "x.npz"], ["--out", "--also-complete"]),
    # The report shows what is in the run's folder, drawn as the config says.
    (["sample", *RUN, "-n", "3"], ["-n: needs --out"]),
    (["sample", *RUN, "--labels", "1"], ["--labels: needs --out"]),
    (["sample", *RUN, "--temperature", "0.5"], ["--temperature: needs --out"]),
    (["sample", *RUN, "--sampling-seed", "1"], ["--sampling-seed: needs --out"]),
    (["sample", *RUN, "-n", str(10**18), "--out", "x.npz"], ["'-n'", str(10**18)]),
    (["sample", *RUN, "--sampling-seed", str(2**63), "--out", "x.npz"], ["'--sampling-seed'", str(2**63)]),
    (["sample", *RUN, "--sampling-seed", "-1", "--out", "x.npz"], ["'--sampling-seed'", "-1"]),
    (["sample", *RUN, "--batch-size", str(10**19)], ["'--batch-size'", str(10**19)]),
    (["train", *RUN, "--threads", str(10**12)], ["'--threads'", str(10**12)]),
    (["analyse", *RUN], ["checkpoint.pt", "pixelcnn train"]),
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
    (["check", "pixelcnn", "--hyperparameters", "[1]"], ["--hyperparameters", "keys and values", "[1]"]),
    (["check", "pixelcnn", "--hyperparameters", "blocks"], ["--hyperparameters", "not valid JSON"]),
]


@pytest.mark.parametrize(("command", "said"), MISTAKES, ids=" ".join)
def test_a_mistake_gives_one_message_and_status_2(folder, capsys, command, said):
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"pixelcnn {command[0]}: error: ") and error.count("\n") == 1
    for words in said:
        assert words in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["trian"], ["'trian'", "'train'"]), (["nonsense"], ["'nonsense'"]), (["--verison"], ["'--version'"])],
)
def test_a_mistake_before_any_command_gives_one_message_and_status_2(capsys, arguments, said):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("pixelcnn: error: ") and error.count("\n") == 1
    for words in said:
        assert words in error


def test_one_of_several_datasets_must_be_named(folder, capsys):
    toy(folder, datasets={name: {"source": "toy_data.py", "levels": 4} for name in ("one", "two")})
    for command in (["prepare", "toy.yaml"], ["classify", "toy.yaml"], ["train", *RUN]):
        assert main(command) == 2
        assert "--dataset: needed, since the config has one, two" in capsys.readouterr().err
