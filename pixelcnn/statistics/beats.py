"""How often a training of one variant comes out better than a training of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixelcnn.system.errors import UserError


def chance_to_beat(first: Sequence[float], second: Sequence[float], lower_is_better: bool = True) -> float:
    """The share of pairs, a value of the first and one of the second, where the first's is better; ties half.

    It estimates the chance that a new seed of the first beats a new seed of the second: a size of the
    difference beside the spread of seeds, where an interval of means says how well their difference is known.
    It is Mann and Whitney's U over the number of pairs.

    Sources: McGraw and Wong (1992), A common language effect size statistic; Vargha and Delaney (2000), A
    critique and improvement of the CL common language effect size statistics, for the ties.

    Raises:
        UserError: if one has no value, or one that is not a number.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if not one.size or not other.size or np.isnan(one).any() or np.isnan(other).any():
        raise UserError(f"no chance to beat: expected numbers of both, got {[*first]} and {[*second]}")
    sign = np.sign(np.subtract.outer(one, other))
    share = float((1 + sign).mean() / 2)
    return 1 - share if lower_is_better else share
