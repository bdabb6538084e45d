"""Who beats whom: the matrix of all pairs over seeds, and apart from it over test images."""

from __future__ import annotations

import numpy as np

from pixelcnn.report.decided import look_words
from pixelcnn.report.more_seeds import plan_seeds
from pixelcnn.report.pairs import Pair, Pairs
from pixelcnn.report.sections.base import Content, Material, OfDataset

#: Variants in a matrix of pairs; more would not fit on a page, and pairs.csv has their numbers.
MATRIX = 14


def build(material: Material) -> Content | None:
    """Both matrices, of two variants or more."""
    pairs = material.pairs
    shown = pairs.names[:MATRIX]
    if len(shown) < 2:
        return None
    return Content(
        {
            "pairs": pairs,
            "matrix": shown,
            "untested": not any(comparison.p is not None for comparison in pairs.seeds.pairs.values()),
            "stepwise": any(comparison.stepwise for comparison in pairs.seeds.pairs.values()),
            "look": look_words(pairs.differences.look),
            "incoherent": _incoherent(pairs),
            "plan": plan_seeds(pairs, material.dataset, material.collected.benchmark),
            "baselines": [r.name for r in material.ranked if r.baseline],
        }
    )


def _incoherent(pairs: Pairs) -> Pair | None:
    """Two variants that are told apart, but lie in the ranking between two that are not; or None."""
    names = pairs.names
    apart = np.array([[a != b and pairs.seeds[a, b].sign is not None for b in names] for a in names])
    above = np.triu(np.ones_like(apart), 1)
    around = np.logical_or.accumulate(~apart & above, axis=0)  # by any variant that ranks as high or higher
    around = np.logical_or.accumulate(around[:, ::-1], axis=1)[:, ::-1]  # and any that ranks as low or lower
    found = np.argwhere(apart & above & around)
    return (names[found[0][0]], names[found[0][1]]) if len(found) else None


SECTION = OfDataset("pairs", "Who beats whom", build=build)
