"""Pictures drawn while a run trains: one that cannot be drawn is said, and costs no training."""

from __future__ import annotations

import pytest
import torch
from support.networks import network
from support.toy import toy
from torch import nn

from pixelcnn.cli import main
from pixelcnn.images.while_training import drawer
from pixelcnn.layers.base import CausalLayer, Chain
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder


class Broken(CausalLayer):
    """A layer of a user's own, with a slip of the pen in its incremental form."""

    def forward(self, x, y):
        return x

    def incremental(self, x, y):
        return x.program.map(x, print, x.chanels)


class Unlucky(nn.Module):
    """Fails in a way that is no error of ours, nor torch's."""

    def forward(self, x, y):
        raise KeyError("somewhere")


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Broken, "Broken.incremental fails: AttributeError: Stream has no attribute 'chanels'"),
        (Unlucky, "KeyError: 'somewhere'"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_said(tmp_path, layer, said):
    model, _ = network()
    model.network = Chain(layer(), model.network)
    sayings = []
    drawer(tmp_path, n=2, seed=0, say=sayings.append)(1, model)
    (sentence,) = sayings
    assert said in sentence and sentence.startswith(f"{RunFolder(tmp_path).picture(1).name}: not drawn")


def test_a_reason_for_which_pictures_are_not_drawn_is_said_once_and_another_one_again(tmp_path):
    model, _ = network()
    right, sayings = model.network, []
    draw = drawer(tmp_path, n=2, seed=0, say=sayings.append)
    for epoch, layer in ((1, Broken()), (2, Broken()), (4, Unlucky()), (8, Broken()), (16, Unlucky())):
        model.network = Chain(layer, right)
        draw(epoch, model)
    assert [sentence.split(":")[0] for sentence in sayings] == ["epoch00001.png", "epoch00004.png"]


def test_a_picture_that_is_there_is_not_drawn_again(tmp_path):
    model, _ = network()
    draw = drawer(tmp_path, n=2, seed=0, say=pytest.fail)
    path = RunFolder(tmp_path).picture(1)
    path.parent.mkdir(exist_ok=True)
    draw(1, model)
    first = path.stat().st_mtime_ns
    draw(1, model)
    assert path.stat().st_mtime_ns == first


def test_pictures_change_nothing_but_the_folder(tmp_path, monkeypatch):
    recipe = {"training": {"epochs": 5, "batch_size": 16, "warmup_steps": 2}, "seeds": [0]}
    monkeypatch.chdir(tmp_path)
    toy(tmp_path, **recipe)
    assert main(["prepare", "toy.yaml"]) == 0
    weights = []
    for n in (3, 0):
        toy(tmp_path, tracking={"pictures": n}, **recipe)
        assert main(["train", "toy.yaml", "--variant", "cond", "--seed", "0", "--force"]) == 0
        run_dir = tmp_path / "results/toy/toy/cond/seed0"
        names = sorted(path.name for path in (run_dir / "pictures").glob("*"))
        epochs = (1, 2, 4, 5) if n else ()
        assert names == [f"epoch{epoch:05d}.png" for epoch in epochs], "a training begun anew keeps none"
        weights.append(checkpoint.load(run_dir / "checkpoint.pt").weights)
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
