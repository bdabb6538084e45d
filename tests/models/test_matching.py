"""`match_parameters`: the width found makes the nearest number of parameters, by networks really built."""

from __future__ import annotations

import itertools

import pytest
from support.small import SMALL

from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.models import matching, registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.models.matching import match_of, width_of
from pixelcnn.models.size import size_of
from pixelcnn.system.errors import ConfigError

IMAGE = ImageSpec(1, 6, 6, 3, 2)
#: Two thirds of its heads' count are odd widths, which it refuses.
ATTENTION = {"blocks": 2, "heads": 6, "first_kernel_size": 3, "head_channels": 4}
OWN = """
from dataclasses import dataclass
from pixelcnn.config.fields import at_least
from pixelcnn.layers.base import Chain
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.layers.pointwise import Pointwise
from pixelcnn.models.base import AutoregressiveModel

@dataclass(frozen=True)
class Hyperparameters:
    features: int = at_least(2, 8, 40)

class Mine(AutoregressiveModel):
    width = "features"

    def build(self, hyper):
        wide = (hyper.features + 2) // 3  # three widths make the same network
        first = masked_conv(self.inputs, wide, 3, "A")
        self.told = EXTRA
        return Chain(first, Pointwise(wide, self.parameters_per_pixel))
"""


def counted(model, hyperparameters, width, conditional=True):
    """The parameters of a network that is really built; None if the architecture does not take this width."""
    given = {**hyperparameters, width_of(model): width}
    try:
        variant = registry.resolve(VariantSpec(model, conditional, hyperparameters=given))
        network, _ = registry.build_model(variant, IMAGE)
    except ConfigError:
        return None
    return size_of(network)[0]


def asking(model, parameters, hyperparameters, conditional=True):
    return VariantSpec(model, conditional, match_parameters=parameters, hyperparameters=hyperparameters)


def networks():
    """Every registered architecture that has a width, its other small hyper-parameters, and the width."""
    for name in registry.names():
        try:
            key = width_of(name)
        except ConfigError:
            continue
        given = dict(SMALL.get(name, {}))
        yield pytest.param(name, given, given.pop(key, 32), id=name)


@pytest.mark.parametrize(("name", "given", "usual"), list(networks()))
def test_of_every_architecture_the_neighbours_are_no_nearer(name, given, usual):
    wider = 3 * usual
    asked = counted(name, given, wider) + 1
    found = match_of(asking(name, asked, given), IMAGE)
    assert (found.value, found.parameters) == (wider, asked - 1)
    for step in (-1, 1):
        beside = (counted(name, given, wider + step * n) for n in range(1, wider))
        neighbour = next(count for count in beside if count is not None)
        assert abs(neighbour - asked) > 1


def test_the_nearest_of_all_widths_wins_and_the_smaller_one_of_two(monkeypatch):
    monkeypatch.setattr(matching, "FAR", 1e9)
    real = {w: n for w in range(1, 16) if (n := counted("attention", ATTENTION, w)) is not None}
    assert list(real) == [3, 6, 9, 12, 15]
    counts = list(real.values())
    middle = [(a + b) // 2 for a, b in itertools.pairwise(counts)]
    assert any((a + b) % 2 == 0 for a, b in itertools.pairwise(counts)), "two are as near"
    for asked in [1, *counts, *middle, *(n + 1 for n in middle)]:
        found = match_of(asking("attention", asked, ATTENTION), IMAGE)
        wanted = min(real, key=lambda width: (abs(real[width] - asked), width))
        assert (found.value, found.parameters) == (wanted, real[wanted]), asked


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        (
            asking("pixelcnn", 5000, {"channels": 8}),
            r"^hyperparameters\.channels: match_parameters finds it; leave out one",
        ),
        (asking("independent", 5000, {}), r"^match_parameters: independent has no width .*'channels'"),
        (
            asking("pixelcnn", 100, {}),
            r"^match_parameters: no channels of pixelcnn comes within 10 % of 100 parameters: the nearest, "
            r"1, makes [\d,]+; ask for",
        ),
        (asking("gated", 10**12, {"blocks": 0}), r"the nearest, 65536, makes [\d,]+;"),
        (asking("pixelcnn", 5000, {"blocks": -1}), r"^hyperparameters\.blocks: must be at least 0"),
        (asking("pixelcnn", 5000, {"block": 1}), r"^hyperparameters\.block: unknown key"),
    ],
)
def test_what_cannot_be_matched_is_told(variant, said):
    with pytest.raises(ConfigError, match=said):
        match_of(variant, IMAGE)


def test_ones_own_architecture_names_its_width_and_has_bounds_of_its_own(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(OWN.replace("EXTRA", "None"), encoding="utf-8")
    model = str(mine)
    asked = counted(model, {}, 24, False)
    found = match_of(asking(model, asked + 1, {}, False), IMAGE)
    assert (found.width, found.value, found.hyperparameters) == ("features", 22, {"features": 22})
    with pytest.raises(ConfigError, match=r"the nearest, 40, makes"):
        match_of(asking(model, 2 * counted(model, {}, 40, False), {}, False), IMAGE)
    mine.write_text(OWN.replace("EXTRA", "next(first.parameters()).sum().item()"), encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"mine\.py cannot be built without numbers, .*; give features by hand"
    ):
        match_of(asking(model, asked, {}, False), IMAGE)
