"""The invariants for every architecture, likelihood, number of channels and shape.

A covering set, in which each pair of values stands at least once; with --all the whole product.
"""

from __future__ import annotations

import itertools

import pytest
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
PRODUCT = [
    case
    for case in itertools.product(VARIANTS, LIKELIHOODS, SHAPES, (False, True))
    if case[0][0] != "oracle" or case[1][0] == "tilted"
]


def pairs(case) -> set:
    (name, hyperparameters), (likelihood, channels, _), shape, conditional = case
    values = (name, str(hyperparameters)), likelihood, channels, shape, conditional
    return set(itertools.combinations(enumerate(values), 2))


def covering() -> list:
    """Cases taken one by one, always that with the most pairs that no other has yet."""
    left, chosen = set().union(*map(pairs, PRODUCT)), []
    while left:
        best = max(PRODUCT, key=lambda case: len(pairs(case) & left))
        chosen.append(best)
        left -= pairs(best)
    return chosen


COVERING = covering()
CASES = COVERING + [pytest.param(*c, marks=pytest.mark.product) for c in PRODUCT if c not in COVERING]


@pytest.mark.parametrize(("variant", "likelihood", "shape", "conditional"), CASES)
def test_invariants(variant, likelihood, shape, conditional):
    (name, channels, levels), (height, width) = likelihood, shape
    kind = Kind(conditional, levels, channels, name, classes=2)
    results = list(check_kind(*variant, kind, height=height, width=width, tiny=[(1, 2)]))
    assert len(results) == 10 + conditional + (channels > 1)
    assert [str(result) for result in results if not result.passed] == []


def test_the_covering_set_has_every_pair_and_is_a_small_part_of_the_product():
    assert set().union(*map(pairs, COVERING)) == set().union(*map(pairs, PRODUCT))
    assert len(COVERING) <= len(PRODUCT) // 4
