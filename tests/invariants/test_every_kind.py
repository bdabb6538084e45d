"""The invariants for every architecture, likelihood, number of channels and shape.

A covering set, in which each pair of values stands at least once; with --all the whole product.
"""

from __future__ import annotations

import itertools

import pytest
from support.covering import covered, covering, pairs
from support.networks import VARIANTS

from pixelcnn.invariants.architecture import Kind, check_kind
from pixelcnn.likelihoods import registry

#: Wide and tall.
SHAPES = [(4, 6), (5, 3)]
#: Likelihood, channels, levels.
CHANNELS = {"bernoulli": (1,), "categorical": (1, 4)}
LIKELIHOODS = [
    (name, channels, 2 if name == "bernoulli" or channels == 4 else 3)
    for name in registry.names()
    for channels in CHANNELS.get(name, (1, 3))
]
#: The truth of a field has a likelihood of its own.
CASES = [
    (variant, *likelihood, *rest)
    for variant, likelihood, *rest in itertools.product(VARIANTS, LIKELIHOODS, SHAPES, (False, True))
    if variant[0] != "oracle" or likelihood[0] == "tilted"
]


@pytest.mark.parametrize(
    ("variant", "likelihood", "channels", "levels", "shape", "conditional"), covered(CASES)
)
def test_invariants(variant, likelihood, channels, levels, shape, conditional):
    height, width = shape
    kind = Kind(conditional, levels, channels, likelihood, classes=2)
    results = list(check_kind(*variant, kind, height=height, width=width, tiny=[(1, 2)]))
    assert len(results) == 10 + conditional + (channels > 1)
    assert [str(result) for result in results if not result.passed] == []


def test_the_covering_set_has_every_pair_and_is_a_small_part_of_the_product():
    chosen = covering(CASES)
    assert set().union(*map(pairs, chosen)) == set().union(*map(pairs, CASES))
    assert len(chosen) <= len(CASES) // 4
