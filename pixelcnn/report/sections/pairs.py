"""Who beats whom: the matrix of all pairs over seeds, and apart from it over test images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixelcnn.report.decided import look_words
from pixelcnn.report.more_seeds import config_line, cost_words, plan_seeds
from pixelcnn.report.pairs import Pair, Pairs
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.report.words import joined

#: Variants in a matrix of pairs; more would not fit on a page, and pairs.csv has their numbers.
MATRIX = 14


def build(material: Material) -> Content | None:
    """Both matrices, of two variants or more."""
    pairs = material.pairs
    shown = pairs.names[:MATRIX]
    if len(shown) < 2:
        return None
    baselines = [result.name for result in material.ranked if result.baseline]
    benchmark = material.collected.benchmark
    plan = plan_seeds(pairs, material.dataset, benchmark)
    return Content(
        {
            "pairs": pairs,
            "matrix": shown,
            "untested": not any(comparison.p is not None for comparison in pairs.seeds.pairs.values()),
            "stepwise": any(comparison.stepwise for comparison in pairs.seeds.pairs.values()),
            "look": look_words(pairs.differences.look),
            "analysis": _analysis(pairs, baselines),
            "coherence": _coherence(pairs),
            "plan": plan,
            "cost": cost_words(plan.more, plan.seconds) if plan.more else "",
            "line": config_line(benchmark, plan.more),
            "baselines": baselines,
        }
    )


def _analysis(pairs: Pairs, baselines: Sequence[str]) -> str:
    """Whose error judges the pairs, and which seeds are compared with each other."""
    found, sentences = pairs.seeds, []
    if found.sd is not None:
        leads = "its variant and its seed lead" if found.blocked else "its variant leads"
        whose = (
            "this common error judges all pairs"
            if found.form == "common error"
            else "variants scatter differently for one error: each has its own, drawn towards the common one"
        )
        sentences.append(f"A seed lies {found.sd:.2f} nats (sd) from what {leads} one to expect; {whose}.")
    if found.blocked:
        sentences.append(
            "Equal seeds saw the data in the same order where batch size and budget are equal, and are "
            "compared with each other."
        )
    if baselines:
        are = "a baseline, have" if len(baselines) == 1 else "baselines, have"
        sentences.append(f"Pairs with {joined(baselines)}, {are} an error of their own.")
    return " ".join(sentences)


def _coherence(pairs: Pairs) -> str:
    """Whether verdicts can be put in an order."""
    if len(pairs.names) < 3 or pairs.seeds.form is None:
        return ""
    if pairs.seeds.coherent:
        return (
            "Verdicts between networks are coherent: what is better than a better one is better, and no two "
            "that are told apart lie between two that are not."
        )
    why = "seeds are missing or saw the data in different orders"
    if pairs.seeds.form != "common error":
        why = "errors differ"
    found = _incoherent(pairs)
    which = f", as around {found[0]} and {found[1]}" if found else ""
    return (
        f"Verdicts need not be coherent here, since {why}: a noisy variant may be told from neither of two "
        f"that are told apart{which}."
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
