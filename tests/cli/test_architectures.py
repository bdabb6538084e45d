"""An architecture of one's own by the command line: checked, run, refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.toy import toy

from pixelcnn.cli import main

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
    Path("mine.py").write_text(MODEL, encoding="utf-8")
    assert main(["check", "mine.py", "--hyperparameters", '{"channels": 3}']) == 0
    output = capsys.readouterr().out
    assert "no leak" in output and "FAILED" not in output
    toy(folder, variants={"mine": {"model": "mine.py", "hyperparameters": {"channels": 4}}})
    run = ["toy.yaml", "--variant", "mine", "--seed", "0"]
    assert [
        main(c) for c in (["prepare", "toy.yaml"], ["train", *run], ["evaluate", *run], ["sample", *run])
    ] == [0] * 4


def test_a_faulty_architecture_of_ones_own_fails_its_check(folder, capsys):
    Path("leaky.py").write_text(MODEL.replace('5, "A"', '5, "B"'), encoding="utf-8")
    assert main(["check", "leaky.py"]) == 1
    told = capsys.readouterr().out.splitlines()
    failed = [line for line in told if line.startswith("FAILED")]
    assert told[-1].startswith(f"leaky.py: {len(failed)} of {len(told) - 1} checks failed: no leak")


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
    Path("broken.py").write_text(MODEL.replace(old, new), encoding="utf-8")
    assert main(["check", "broken.py"]) == 2
    assert said in capsys.readouterr().err
