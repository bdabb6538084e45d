"""Symbols tell a typo from a network that uses features as a tensor, and bear being looked at."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pixelcnn.incremental.errors import NoForm
from pixelcnn.incremental.program import Program
from pixelcnn.incremental.schedules import Wavefront
from pixelcnn.layers.base import identity_reach


def stream():
    program = Program(Wavefront(3, 3, 2), 1, torch.zeros(1))
    return program.source(4, lambda: torch.zeros(1, 4, 3, 3))


def seen():
    return identity_reach(3, 3)


@pytest.mark.parametrize(
    ("symbol", "typo", "said"),
    [
        (stream, "chanels", "Stream has no attribute 'chanels'; did you mean 'channels'?"),
        (stream, "delay_", "Stream has no attribute 'delay_'; did you mean 'delay'?"),
        (stream, "programme", "Stream has no attribute 'programme'; did you mean 'program'?"),
        (stream, "zzz", "Stream has no attribute 'zzz'; it has channels, delay, features, plus, program"),
        (seen, "set", "Seen has no attribute 'set'; did you mean 'sets'?"),
    ],
)
def test_a_typo_is_an_attribute_error_with_a_hint(symbol, typo, said):
    with pytest.raises(AttributeError) as caught:
        getattr(symbol(), typo)
    assert str(caught.value) == said
    assert not hasattr(symbol(), typo) and getattr(symbol(), typo, 7) == 7


@pytest.mark.parametrize("symbol", [stream, seen])
@pytest.mark.parametrize(
    "use",
    [
        lambda x: x.shape,
        lambda x: x.mean(),
        lambda x: x.permute(0, 2, 3, 1),
        lambda x: x.device,
        lambda x: torch.tanh(x),
        lambda x: torch.cat([x, x], 1),
        lambda x: F.pad(x, (1, 1)),
        lambda x: torch.nn.Conv2d(4, 4, 1)(x),
        lambda x: 2 * x,
        lambda x: x[:, :2],
        lambda x: np.asarray(x),
        lambda x: 1 if x else 0,
    ],
)
def test_what_a_tensor_can_do_has_no_form(symbol, use):
    with pytest.raises(NoForm):
        use(symbol())


def test_a_symbol_can_be_copied_pickled_printed_and_kept_in_a_set():
    x, sets = stream(), seen()
    assert copy.copy(x).features == x.features
    assert copy.deepcopy(x).features == x.features and copy.deepcopy(x).program is not x.program
    assert torch.equal(pickle.loads(pickle.dumps(sets)).sets, sets.sets)
    assert repr(x) == "Stream(Features(number=0, channels=4, delay=1))"
    assert x in {x} and x not in {stream()}
    assert not hasattr(x, "__deepcopy__") and not hasattr(x, "__wrapped__")
