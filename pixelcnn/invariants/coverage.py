"""Coverage: the pixels that reach a pixel are those that the layers' taps say."""

from __future__ import annotations

import torch
from torch import Tensor

from pixelcnn.incremental.errors import BrokenForm
from pixelcnn.invariants.leaks import influences, place
from pixelcnn.invariants.results import Result, broken, judged, none_by_design
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.system.errors import UserError


def check_coverage(model: AutoregressiveModel) -> Result:
    """The pixels that reach a pixel, by each of their channels, are those that the layers' taps say."""
    name = "coverage"
    pixels = model.image.height * model.image.width
    measured = influences(model)
    try:
        stated = model.reach().reshape(pixels, pixels)
    except BrokenForm as error:
        return broken(name, error)
    except UserError as error:
        return none_by_design(name, f"{error}; {_blind(measured)}")
    wrong = measured != stated
    if wrong.any():
        c, i, j = (int(k) for k in wrong.nonzero()[0])
        verb = "does" if measured[c, i, j] else "does not"
        what = f"channel {c} of pixel" if len(measured) > 1 else "pixel"
        detail = f"{what} {place(model, j)} {verb} reach pixel {place(model, i)}, against its layers' taps"
        return judged(name, False, f"{int(wrong.sum())} pairs, such as: {detail}")
    return judged(name, True, f"as the layers' taps say; {_blind(measured)}")


def _blind(measured: Tensor) -> str:
    seen = measured.any(dim=0)
    earlier = int(torch.ones_like(seen).tril(-1).sum())
    return f"{int(seen.sum())} of {earlier} earlier pixels seen"
