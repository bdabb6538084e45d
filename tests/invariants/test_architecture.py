"""Every check over every registered architecture, and the three outcomes that a check can have."""

from __future__ import annotations

import pytest
from support.networks import VARIANTS

from pixelcnn.cli import main
from pixelcnn.invariants.architecture import check_architecture
from pixelcnn.invariants.before_training import BOTH_MODES
from pixelcnn.invariants.results import Outcome
from pixelcnn.system.errors import ConfigError

#: Of every architecture test_every_kind.py asks them, one kind at a time.
OTHERS = [pytest.param(*variant, marks=pytest.mark.product) for variant in VARIANTS[1:]]


@pytest.mark.parametrize(("name", "hyperparameters"), [VARIANTS[0], *OTHERS])
def test_every_architecture_keeps_the_invariants(name, hyperparameters):
    trained = [(True, 16, 10, 8, 9)]
    results = list(check_architecture(name, hyperparameters, height=6, width=5, as_trained=trained))
    assert len(results) == 4 * 12 + 2 + 1, "four kinds, twelve checks, labels for two; as trained"
    assert [str(result) for result in results if not result.passed] == []


#: A user's file: a layer of its own between causal layers, with the one line that a test is about.
OWN = """
from dataclasses import dataclass
import torch
from pixelcnn.layers.base import CausalLayer, Chain
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.layers.pointwise import ClassBias, Pointwise
from pixelcnn.models.base import AutoregressiveModel

@dataclass(frozen=True)
class Hyperparameters:
    channels: int = 4

class Own(CausalLayer):
    def forward(self, x, y):
        return {forward}
    def reach(self, seen):
        return {reach}
    def incremental(self, x, y):
        return {incremental}

class Model(AutoregressiveModel):
    def build(self, hyper):
        n = hyper.channels
        first, last = masked_conv(self.inputs, n, 3, "A"), Pointwise(n, self.parameters_per_pixel, gain=0.1)
        return Chain(first, Own(), ClassBias(self.image.classes, n), last)
"""
RIGHT = {
    "forward": "torch.tanh(x)",
    "reach": "seen",
    "incremental": "x.program.map(x, lambda values, out: torch.tanh(values, out=out), x.channels)",
}


def outcomes(tmp_path, **lines):
    """The results of a layer with these lines that are not ok, by name, without their kinds."""
    (tmp_path / "own.py").write_text(OWN.format(**{**RIGHT, **lines}), encoding="utf-8")
    results = list(check_architecture(str(tmp_path / "own.py"), {}, height=4, width=3, as_trained=()))
    found = {(r.name.split(" (")[0], r.outcome, r.detail) for r in results if r.outcome is not Outcome.OK}
    assert all("\n" not in str(result) for result in results)
    return {name: (outcome, detail) for name, outcome, detail in found}


def test_a_right_layer_is_ok(tmp_path):
    assert outcomes(tmp_path) == {}


@pytest.mark.parametrize(
    ("line", "name", "said"),
    [
        ({"incremental": "super().incremental(x, y)"}, "fast sampler", "Own has no incremental form"),
        ({"incremental": "x.mean()"}, "fast sampler", "features are used as a tensor (.mean)"),
        ({"incremental": "torch.tanh(x)"}, "fast sampler", "torch's tanh is called"),
        ({"reach": "super().reach(seen)"}, "coverage", "Own states no reach"),
    ],
)
def test_a_form_that_a_layer_does_without_is_none_by_design(tmp_path, line, name, said):
    ((checked, (outcome, detail)),) = outcomes(tmp_path, **line).items()
    assert checked == name and outcome is Outcome.NONE
    assert detail.startswith("not checked: ") and said in detail


SAMPLERS = {f"fast sampler, {order}" for order in ("wavefront", "rows", "pixels")}


@pytest.mark.parametrize(
    ("line", "names", "said"),
    [
        (
            {"incremental": "x.program.map(x, torch.tanh, x.chanels)"},
            {"fast sampler"},
            "BROKEN: Own.incremental fails: AttributeError: Stream has no attribute 'chanels'; did you mean "
            "'channels'? (own.py, line 19)",
        ),
        (
            {"incremental": "x.program.map(x, lambda values: values, x.channels)"},
            SAMPLERS,
            "<lambda>() takes 1 positional argument but 2 were given",
        ),
        (
            {"incremental": "x.program.map(x, lambda v, out: torch.tanh(v[:, :2], out=out), x.channels)"},
            SAMPLERS,
            "fails: UserWarning: An output with one or more elements was resized since it had shape [",
        ),
        (
            {"incremental": "x.program.linear(x, lambda: torch.eye(x.channels).half(), None)"},
            SAMPLERS,
            "fails: RuntimeError: expected m1 and m2 to have the same dtype, but got: double != c10::Half",
        ),
        (
            {"incremental": "x.program.map(x, lambda v, out: torch.sin(v, out=out), x.channels)"},
            SAMPLERS,
            "images are those of the reference sampler",
        ),
        (
            {"incremental": "None"},
            {"fast sampler"},
            "BROKEN: Own.incremental fails: TypeError: expected a Stream, got NoneType",
        ),
        (
            {"incremental": "x.program.map(x, lambda values, out: out.copy_(values[:, :2]), x.channels)"},
            SAMPLERS,
            "fails: RuntimeError: The size of tensor a (4) must match",
        ),
        (
            {"incremental": "x.program.map(x, lambda values, out: values.nothing, x.channels)"},
            SAMPLERS,
            "fails: AttributeError: 'Tensor' object has no attribute 'nothing' (own.py, line 19)",
        ),
        ({"incremental": "x"}, SAMPLERS, "images are those of the reference sampler"),
        (
            {"reach": "seen.stes"},
            {"coverage"},
            "BROKEN: Own.reach fails: AttributeError: Seen has no attribute 'stes'; did you mean 'sets'?",
        ),
        (
            {"forward": "x.chanels"},
            {"first loss", "no leak", "coverage", "images apart", "labels matter", "fast sampler", "rebuilt"}
            | {"normalised", BOTH_MODES},
            "BROKEN: AttributeError: 'Tensor' object has no attribute 'chanels' (own.py, line 15)",
        ),
    ],
)
def test_a_layer_that_fails_is_broken_and_says_how(tmp_path, line, names, said):
    found = outcomes(tmp_path, **line)
    assert set(found) == names and {outcome for outcome, _ in found.values()} == {Outcome.FAILED}
    assert all(said in detail for _, detail in found.values())


def test_a_network_that_cannot_be_built_is_one_message(tmp_path):
    (tmp_path / "own.py").write_text(
        OWN.format(**RIGHT).replace("hyper.channels", "hyper.chanels"), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"own.py: cannot be built: AttributeError: .*'chanels'"):
        list(check_architecture(str(tmp_path / "own.py"), {}))


def test_the_command_ends_with_status_1_for_broken_and_0_for_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, line in (("none", "super().incremental(x, y)"), ("broken", "x.chanels")):
        (tmp_path / f"{name}.py").write_text(OWN.format(**{**RIGHT, "incremental": line}), encoding="utf-8")
    assert main(["check", "none.py"]) == 0
    *checks, last = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("none    fast sampler") for line in checks) == 4
    assert last == f"none.py: nothing is wrong in {len(checks) - 4} checks; 4 more could not be made"
    assert main(["check", "broken.py"]) == 1
    assert capsys.readouterr().out.count("FAILED  fast sampler") == 4
