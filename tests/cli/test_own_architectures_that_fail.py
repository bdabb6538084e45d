"""An architecture of one's own that cannot be made: one sentence, with the line at fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.toy import toy

from pixelcnn.cli import main

MODEL = """from dataclasses import dataclass
from pixelcnn.config.fields import at_least
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.models.base import AutoregressiveModel

@dataclass(frozen=True)
class Hyperparameters:
    channels: int = at_least(1, 6)

class Mine(AutoregressiveModel):
    def build(self, hyper):
        return masked_conv(self.inputs, hyper.channels * self.parameters_per_pixel, 5, "A")

    def forward(self, x, y=None):
        return super().forward(x, y)
"""
BUILD = "        return masked_conv("
FORWARD = "        return super().forward(x, y)"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (BUILD, f"        {{}}['width']\n{BUILD}", "cannot be built: KeyError: 'width' (mine.py, line 12)"),
        (BUILD, f"        raise OSError(2, 'gone', 'w.npy')\n{BUILD}", "'w.npy' (mine.py, line 12)"),
        ("build(self, hyper)", "build(self)", "cannot be built: TypeError: "),
        (FORWARD, f"        x.nothing\n{FORWARD}", "'nothing' (mine.py, line 15)"),
        ("from pixelcnn.models", "1 / 0\nfrom pixelcnn.models", "division by zero (mine.py, line 4)"),
        ("at_least(1, 6)", "at_least(1, 10**12)", "parameters, more than fit into the"),
    ],
)  # fmt: skip
def test_it_is_told_in_one_sentence_with_its_line(folder, capsys, old, new, said):
    assert old in MODEL
    Path("mine.py").write_text(MODEL.replace(old, new), encoding="utf-8")
    toy(folder, variants={"mine": {"model": "mine.py"}})
    assert main(["plan", "toy.yaml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("pixelcnn plan: error: toy.yaml: variants.mine.model: ") or error.startswith(
        "pixelcnn plan: error: variants.mine.model: "
    )
    assert said in error and error.count("\n") == 1
    assert not Path("results").exists()


def test_memory_that_a_forward_pass_lacks_is_told_at_the_plan(folder, capsys):
    wide = MODEL.replace(FORWARD, "        return super().forward(x.repeat(10**12, 1, 1, 1), y)")
    Path("mine.py").write_text(wide, encoding="utf-8")
    toy(folder, variants={"mine": {"model": "mine.py"}})
    assert main(["plan", "toy.yaml"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "pixelcnn plan: failed: variants.mine: the CPU is out of memory: make the network"
    )
    assert error.count("\n") == 1
