"""Levels as intervals of a line on which a logistic distribution lies: Salimans et al. 2017, section 2.1.

Level v of L is at 2v/(L-1) - 1 and is the interval of width 2/(L-1) around that; the intervals of the first
and of the last level have no outer end.

What differs from the paper: an interval's probability is computed by an identity that is exact at every
scale, where the authors' code changes over to the density at the middle (see `log_share`); scales have a
lower bound in widths of a level, not exp(-7), and approach it smoothly, so that they can return.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

#: Scales lie between the first of these, in widths of a level, and the second: a level has room for nearly
#: all of a distribution, and none is so wide that its levels are one in float32.
NARROWEST, WIDEST = 0.1, 1000.0


def middles(x: Tensor, levels: int, like: Tensor) -> Tensor:
    """The middles of the intervals of integer levels x, in the precision of `like`."""
    return (2 * x - (levels - 1)).to(like.dtype) / (levels - 1)


def bounded_scales(logarithms: Tensor, levels: int) -> Tensor:
    """Scales by their logarithms, within the bounds."""
    least = math.log(NARROWEST * 2 / (levels - 1))
    bounded = least + F.softplus(logarithms - least)
    return bounded.clamp(max=math.log(WIDEST)).exp()


def log_share(below_end: Tensor, above_start: Tensor, width: Tensor) -> Tensor:
    """log(s(a) - s(b)) of the logistic function s, a > b, from log s(a), log s(-b) and a - b.

    s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)): no difference of near numbers, however far from the middle and
    however wide the scale.
    """
    return below_end + above_start + torch.log(-torch.expm1(-width))


def log_shares(means: Tensor, scales: Tensor, levels: int) -> Tensor:
    """log p of every level: means and scales [...] -> [..., levels]."""
    between = middles(torch.arange(levels - 1, device=means.device), levels, means) + 1 / (levels - 1)
    ends = (between - means[..., None]) / scales[..., None]
    below, above = F.logsigmoid(ends), F.logsigmoid(-ends)
    width = (2 / (levels - 1) / scales)[..., None]
    inner = log_share(below[..., 1:], above[..., :-1], width)
    return torch.cat([below[..., :1], inner, above[..., -1:]], dim=-1)
