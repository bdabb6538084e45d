"""Mistakes in a config: `plan` names each, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.toy import SMALL, toy

from pixelcnn.cli import main


def tuned(variant: str = "base", **wrong: object) -> dict[str, object]:
    """A change of the config: trials of a variant, with some keys otherwise."""
    return {"tuned": {variant: {"of": "b", "seeds": [1000], "chosen": 0, "trials": [trial()]} | wrong}}


def trial(**wrong: object) -> dict[str, object]:
    return {"number": 0, "valid_nll": 9.5, "values": {"training.learning_rate": 0.02}} | wrong


#: What a person may get wrong in a config, and the words of the answer.
BAD_CONFIGS = [
    ({"benchmark": "a/b"}, ["benchmark", "'a/b'", "letters"]),
    ({"benchmark": "logs"}, ["benchmark", "'logs'"]),
    ({"datasets": {}}, ["datasets", "at least one"]),
    ({"variants": {}}, ["variants", "at least one"]),
    ({"seeds": []}, ["seeds", "at least one"]),
    ({"seeds": [0, 0]}, ["seeds", "once"]),
    ({"seeds": [-1]}, ["seeds", "-1"]),
    ({"seeds": ["a"]}, ["seeds[0]", "'a'", "whole number"]),
    ({"seeds": 3}, ["seeds", "a list", "3"]),
    ({"sedes": [0]}, ["sedes", "did you mean 'seeds'"]),
    ({"training": {"epochs": 0}}, ["training.epochs", "at least 1", "0"]),
    ({"training": {"epochs": 1.5}}, ["training.epochs", "whole number", "1.5"]),
    ({"training": {"batch_size": -4}}, ["training.batch_size", "-4"]),
    ({"training": {"learning_rate": "fast"}}, ["training.learning_rate", "'fast'"]),
    ({"training": {"learning_rate": float("inf")}}, ["training.learning_rate"]),
    ({"training": {"optimizer": "sgd"}}, ["training.optimizer", "adam", "'sgd'"]),
    ({"training": {"ema_decay": 1}}, ["training.ema_decay", "between"]),
    ({"training": {"precision": "float16"}}, ["training.precision", "bfloat16"]),
    ({"training": [1]}, ["training", "keys and values"]),
    ({"saving": {"minutes": -1}}, ["saving.minutes", "-1"]),
    ({"saving": {"epochs": 0}}, ["saving.epochs", "at least 1"]),
    ({"saving": {"every": 5}}, ["saving.every", "unknown key"]),
    ({"sampling": {"images": 0}}, ["sampling.images", "at least 1"]),
    ({"sampling": {"temperature": 0}}, ["sampling.temperature", "at least"]),
    ({"device": "gpu"}, ["device", "cuda", "'gpu'"]),
    ({"threads": 0}, ["threads", "at least 1"]),
    ({"runs_per_gpu": 0}, ["runs_per_gpu", "at least 1"]),
    # Slips of the pen, which would end in an allocator's words, or never.
    ({"training": {"epochs": 10**18}}, ["training.epochs", "between 1 and 1000000", str(10**18)]),
    ({"training": {"batch_size": 10**18}}, ["training.batch_size", "between 1 and 1000000"]),
    ({"training": {"warmup_steps": 10**18}}, ["training.warmup_steps", "between 0"]),
    ({"training": {"patience": 10**18}}, ["training.patience", "between 1"]),
    ({"saving": {"epochs": 10**18}}, ["saving.epochs", "between 1"]),
    ({"sampling": {"images": 10**18}}, ["sampling.images", "between 1 and 1000000"]),
    ({"sampling": {"completions": 10**18}}, ["sampling.completions", "between 1 and 1000000"]),
    ({"sampling": {"temperature": 1e-310}}, ["sampling.temperature", "at least 1e-06", "1e-310"]),
    ({"sampling": {"temperature": 1e300}}, ["sampling.temperature", "between 1e-06 and 1000000"]),
    ({"sampling": {"temperature": float("inf")}}, ["sampling.temperature", "a number", "Inf"]),
    ({"analysis": {"images": 10**18}}, ["analysis.images", "between 1"]),
    ({"analysis": {"samples": 10**18}}, ["analysis.samples", "between 1"]),
    ({"tracking": {"pictures": 10**18}}, ["tracking.pictures", "between 0"]),
    ({"threads": 10**18}, ["threads", "between 1 and 4096"]),
    ({"runs_per_gpu": 10**18}, ["runs_per_gpu", "between 1"]),
    ({"jobs": {"gpus": 10**18}}, ["jobs.gpus", "between 0"]),
    ({"jobs": {"train": {"minutes": 10**18}}}, ["jobs.train.minutes", "between 2"]),
    ({"jobs": {"train": {"memory_mb": 10**18}}}, ["jobs.train.memory_mb", "between 1"]),
    ({"benchmark": "b" * 260}, ["benchmark", "260 characters, at most 80 fit"]),
    ({"datasets": {"d" * 260: {"source": "toy_data.py", "levels": 4}}}, ["datasets", "260", "80"]),
    ({"variants": {"v" * 260: {"model": "pixelcnn"}}}, ["variants", "260", "80"]),
    ({"datasets": {"toy": {"source": "toy_data.py", "image_size": 10**9}}}, ["datasets.toy.image_size"]),
    (
        {"variants": {"base": {"model": "pixelcnn", "hyperparameters": {"channels": 10**9}}}},
        ["variants.base.hyperparameters.channels", "between 1 and 65536", str(10**9)],
    ),
    (
        {"variants": {"base": {"model": "gated", "hyperparameters": {"blocks": 10**7}}}},
        ["variants.base.hyperparameters.blocks", "between 0 and 1000", str(10**7)],
    ),
    (
        {"variants": {"base": {"model": "attention", "hyperparameters": {"kernel_size": 10**9 + 1}}}},
        ["variants.base.hyperparameters.kernel_size", "between 3 and 2047"],
    ),
    (
        {"variants": {"base": {"model": "pixelcnn", "hyperparameters": {"dilations": [1, 10**9]}}}},
        ["variants.base.hyperparameters.dilations", "from 1 to 1024", str(10**9)],
    ),
    # Each number is possible, and the network is not.
    (
        {"variants": {"base": {"model": "pixelcnn", "hyperparameters": {"channels": 65_536}}}},
        ["variants.base.model", "parameters", "GB of memory", "make it smaller"],
    ),
    ({"datasets": {"toy": {"source": "toy_data.py", "levels": 1}}}, ["levels", "1"]),
    ({"datasets": {"toy": {"source": "toy_data.py", "levels": 5}}}, ["datasets.toy.levels", "5", "4"]),
    ({"datasets": {"toy": {"source": "toy_data.py", "levels": 2}}}, ["datasets.toy.binarize"]),
    ({"datasets": {"toy": {"source": "toy_data.py", "image_size": 4}}}, ["datasets.toy.image_size", "4"]),
    ({"datasets": {"toy": {"source": "nowhere.py"}}}, ["datasets.toy.source", "nowhere.py", "no such file"]),
    ({"datasets": {"toy": {"source": "minst"}}}, ["datasets.toy.source", "'minst'", "mnist"]),
    ({"datasets": {"toy": {}}}, ["datasets.toy.source", "missing"]),
    ({"variants": {"base": {"model": "pixelnn"}}}, ["variants.base.model", "'pixelnn'", "pixelcnn"]),
    ({"variants": {"base": {"model": "mine.py"}}}, ["variants.base.model", "mine.py", "no such file"]),
    ({"variants": {"base": {}}}, ["variants.base.model", "missing"]),
    (
        {"variants": {"base": {"model": "pixelcnn", "hyperparameters": {"chanels": 4}}}},
        ["variants.base.hyperparameters.chanels", "did you mean 'channels'"],
    ),
    (
        {"variants": {"base": {"model": "pixelcnn", "hyperparameters": {"channels": 0}}}},
        ["variants.base.hyperparameters.channels", "0"],
    ),
    (
        {"variants": {"base": {"model": "pixelcnn", "likelihood": "bernoulli", "hyperparameters": SMALL}}},
        ["variants.base", "bernoulli"],
    ),
    (
        {"variants": {"base": {"model": "pixelcnn", "training": {"epoch": 4}}}},
        ["variants.base.training.epoch", "did you mean 'epochs'"],
    ),
    (tuned("bse"), ["tuned: 'bse' is not in the config", "base"]),
    (tuned(chosen=3), ["tuned.base.chosen", "no trial has the number 3", "[0]"]),
    (tuned(trials=[trial(valid_nll=None)]), ["tuned.base.chosen", "trial 0 failed"]),
    (tuned(trials=[]), ["tuned.base.trials", "at least one"]),
    (tuned(trials=[trial(), trial()]), ["tuned.base.trials", "once", "[0, 0]"]),
    (tuned(trials=[trial(nll=1.0)]), ["tuned.base.trials[0].nll", "unknown key", "valid_nll"]),
    (tuned(trials=[trial(values={"training.epoch": 1})]), ["trials[0].values.training.epoch", "'epochs'"]),
    (tuned(trials=[trial(), trial(number=1, values={})]), ["tuned.base.trials[1].values", "other keys"]),
    (tuned(seeds=[1000, 0]), ["tuned.base.seeds", "0 is one of the seeds of the final runs"]),
    (tuned(seeds=[]), ["tuned.base.seeds", "at least one"]),
]


@pytest.mark.parametrize(("change", "words"), BAD_CONFIGS, ids=lambda value: json.dumps(value)[:60])
def test_a_bad_config_is_refused_by_name(folder, capsys, change, words):
    toy(folder, **change)
    assert main(["plan", "toy.yaml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("pixelcnn plan: error: ") and len(error.strip().splitlines()) == 1
    for word in words:
        assert word in error
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not valid YAML"),
        ("- 1", "keys and values"),
        ("", "keys and values"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_a_file_that_is_no_config_is_refused(folder, capsys, text, words):
    Path("toy.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["plan", "toy.yaml"]) == 2
    assert "toy.yaml" in (error := capsys.readouterr().err) and words in error
