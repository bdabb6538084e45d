"""A checkpoint and the code that is to make a function of its weights: they agree, or it is said."""

from __future__ import annotations

import json
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.toy import SMALL, toy

import pixelcnn.models
from pixelcnn.cli import main
from pixelcnn.evaluation import export
from pixelcnn.report.collect import read_run
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system.errors import UserError

#: `scale` and the helper's `SHARPER` change the function of the weights, and no shape of any.
MODEL = """
from dataclasses import dataclass
from pixelcnn.layers.pointwise import PixelTable
from pixelcnn.models.base import AutoregressiveModel
{helper}

@dataclass(frozen=True)
class Hyperparameters:
    scale: float = 10.0

class Table(AutoregressiveModel):
    def build(self, hyperparameters):
        image = self.image
        return PixelTable(
            image.classes, self.parameters_per_pixel, image.height, image.width,
            hyperparameters.scale * SHARPER,
        )
"""
HELPER = "SHARPER = 1.0\n"
IMPORTED = "from sharpness_of_mine import SHARPER"
RUN = ["toy.yaml", "--variant", "mine", "--seed", "0"]
FOLDER = Path("results/toy/toy/mine/seed0")


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """What loading a file leaves in the process is gone after a test."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in [name for name in sys.modules if name.endswith(("_of_mine", "_of_a_test"))]:
        del sys.modules[name]


def write(file: str, text: str) -> None:
    """Write a file as an edit is: later than what was there."""
    before = Path(file).stat().st_mtime if Path(file).exists() else 0
    Path(file).write_text(text, encoding="utf-8")
    os.utime(file, (before + 10,) * 2 if before else None)


def trained(folder: Path, helper: str = IMPORTED, model: str = "mine.py") -> None:
    if model.endswith(".py"):
        write("mine.py", MODEL.format(helper=helper))
        write("sharpness_of_mine.py", HELPER)
    toy(folder, variants={"mine": {"model": model}}, training={"epochs": 1}, seeds=[0])
    assert main(["prepare", "toy.yaml"]) == 0
    assert main(["train", *RUN]) == 0


def nll(capsys) -> float:
    capsys.readouterr()
    assert main(["evaluate", *RUN]) == 0
    return RunFolder(FOLDER).metrics().nll


def refused(capsys, command: str, *words: str) -> None:
    capsys.readouterr()
    assert main([command, *RUN]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert all(word in error for word in words), error


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("mine.py", "= 10.0", "= 30.0", "hyperparameters.scale: 10.0 then, 30.0 now"),
        ("mine.py", "scale * SHARPER", "scale + SHARPER", "mine.py: its code was edited"),
        ("sharpness_of_mine.py", "1.0", "3.0", "sharpness_of_mine.py: its code was edited"),
    ],
)
def test_code_that_was_edited_after_a_training_is_refused_and_trained_again(
    folder, capsys, file, old, new, said
):
    trained(folder)
    before = nll(capsys)
    assert old in Path(file).read_text(encoding="utf-8")
    write(file, Path(file).read_text(encoding="utf-8").replace(old, new))
    refused(capsys, "evaluate", "checkpoint.pt", said, "train it again")
    refused(capsys, "sample", said)
    assert main(["train", *RUN]) == 0 and "already trained" not in capsys.readouterr().out
    assert nll(capsys) != before


def test_an_edit_of_comments_changes_nothing(folder, capsys):
    trained(folder)
    before = nll(capsys)
    write("sharpness_of_mine.py", f'"""How sharp."""\n\n{HELPER}  # or so\n')
    assert main(["train", *RUN]) == 0 and "already trained" in capsys.readouterr().out
    assert nll(capsys) == before


def test_a_checkpoint_alone_is_opened_only_with_the_code_that_trained_it(folder, capsys):
    """By its own door, as an exported model, as MLflow's."""
    trained(folder)
    nll(capsys)
    path = RunFolder(FOLDER)
    opened = checkpoint.load(path.checkpoint).model()[0].state_dict()
    assert export.load(path.model).checkpoint.model()[0].state_dict().keys() == opened.keys()
    write("sharpness_of_mine.py", "SHARPER = 3.0\n")
    said = r"mine.py is not the code that trained it \(sharpness_of_mine.py: its code was edited\)"
    for loaded in (checkpoint.load(path.checkpoint), export.load(path.model).checkpoint):
        with pytest.raises(UserError, match=said):
            loaded.model()
    model = pytest.importorskip("pixelcnn.tracking.model")
    context = model.PythonModelContext(artifacts={model.WEIGHTS: str(path.model)}, model_config={})
    with pytest.raises(UserError, match=said):
        model.PixelCNN().load_context(context)


def test_a_default_that_changes_leaves_a_planned_run_what_it_was(folder, capsys, monkeypatch, tmp_path):
    """Of an architecture that is registered: its spec has every value, so the weights stay their function."""
    (package := tmp_path / "architectures").mkdir()
    file = str(package / "table_of_a_test.py")
    write(file, MODEL.format(helper="SHARPER = 1.0"))
    monkeypatch.setattr(pixelcnn.models, "__path__", [*pixelcnn.models.__path__, str(package)])
    trained(folder, model="table_of_a_test")
    assert main(["plan", "toy.yaml"]) == 0
    planned = ["results/toy/config.json", *RUN[1:]]
    before = nll(capsys)
    del sys.modules["pixelcnn.models.table_of_a_test"]
    monkeypatch.delattr(pixelcnn.models, "table_of_a_test")
    write(file, MODEL.format(helper="SHARPER = 1.0").replace("= 10.0", "= 30.0"))
    assert main(["evaluate", *planned]) == 0 and RunFolder(FOLDER).metrics().nll == before
    refused(capsys, "evaluate", "hyperparameters.scale: 10.0 then, 30.0 now")


def test_a_command_trains_the_code_that_its_spec_names(folder, capsys, monkeypatch):
    """Not what it was edited to while the command waited for another."""
    from pixelcnn.system import locks

    trained(folder)
    acquire = locks.acquire

    def edited_meanwhile(*arguments, **options):
        write("sharpness_of_mine.py", "SHARPER = 3.0\n")
        return acquire(*arguments, **options)

    monkeypatch.setattr(locks, "acquire", edited_meanwhile)
    assert main(["train", *RUN, "--force"]) == 2
    assert "edited after this command began (sharpness_of_mine.py" in capsys.readouterr().err


def test_weights_of_other_package_code_are_warned_of(folder, capsys):
    trained(folder)
    nll(capsys)
    loaded = checkpoint.load(FOLDER / "checkpoint.pt")
    assert loaded.code == RunFolder(FOLDER).record().code
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded.model()
        replace(loaded, code=None).model()  # as older ones are
    exported = export.load(RunFolder(FOLDER).model).checkpoint
    assert exported.code == loaded.code
    for other in (replace(loaded, code="0" * 16), replace(exported, code="0" * 16)):
        with pytest.warns(UserWarning, match=r"trained by other code of pixelcnn \(digest 0{16}"):
            other.model()


def test_test_results_by_other_code_than_todays_make_a_run_stale(folder, capsys):
    trained(folder)
    nll(capsys)
    spec = load_resolved("toy.yaml").run("toy", "mine", 0)
    assert read_run(spec, FOLDER).stale is False
    path = RunFolder(FOLDER).metrics_file
    path.write_text(
        json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"code": "0" * 16}), encoding="utf-8"
    )
    found = read_run(spec, FOLDER)
    assert found.stale is True and found.trained_by_other_code is False


def test_a_refusal_names_the_keys_and_samples_apart_need_only_the_same_function(folder, capsys):
    run = ["toy.yaml", "--variant", "base", "--seed", "0"]
    training = {"epochs": 1, "batch_size": 16, "learning_rate": 0.005}
    toy(folder, training=training)
    assert main(["prepare", "toy.yaml"]) == 0 and main(["train", *run]) == 0
    assert main(["sample", *run, "--out", "before.npz"]) == 0
    toy(folder, training=training | {"learning_rate": 0.002})
    capsys.readouterr()
    for command in (["evaluate", *run], ["sample", *run], ["sample", *run, "--also-complete"]):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert "(training.learning_rate: 0.005 then, 0.002 now)" in error and "digest" not in error
    assert not (folder / "results/toy/toy/base/seed0/samples.npz").exists()
    for more in ([], ["--complete"]):
        assert main(["sample", *run, *more, "--out", "after.npz"]) == 0
        assert "trained otherwise than the config says (training.learning_rate" in capsys.readouterr().err
        if not more:
            with np.load("before.npz") as before, np.load("after.npz") as after:
                assert before["images"].tolist() == after["images"].tolist()
    found = read_run(load_resolved("toy.yaml").run("toy", "base", 0), folder / "results/toy/toy/base/seed0")
    wanted = "training.learning_rate: 0.005 then, 0.002 now"
    assert found.detail == f"trained otherwise than the config now asks for ({wanted})"
    asked = RunFolder(folder / "results/toy/toy/base/seed0").spec().digest
    assert main(["train", *run, "--digest", asked]) == 2
    assert f"changed meanwhile ({wanted})" in capsys.readouterr().err
    assert main(["train", *run]) == 0
    assert f"trained from the start ({wanted})" in capsys.readouterr().err
    other = {"base": {"model": "pixelcnn", "hyperparameters": SMALL | {"blocks": 2}}}
    toy(folder, training=training | {"learning_rate": 0.002}, variants=other)
    assert main(["sample", *run, "--out", "after.npz"]) == 2
    assert "hyperparameters.blocks: 1 then, 2 now" in capsys.readouterr().err
