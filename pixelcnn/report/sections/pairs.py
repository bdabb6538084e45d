"""Who beats whom: the matrix of all pairs over seeds, and apart from it over test images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from pixelcnn.report.decided import look_words
from pixelcnn.report.more_seeds import config_line, cost_words, plan_seeds
from pixelcnn.report.pairs import Pair, Pairs
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.report.words import joined
from pixelcnn.statistics.levels import SIGNIFICANCE, level_of

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
            "images_add": _images_add(pairs, baselines),
        }
    )


def _analysis(pairs: Pairs, baselines: Sequence[str]) -> str:
    """Whose error judges the pairs, which seeds are compared with each other, and what a look spends."""
    found, sentences = pairs.seeds, []
    if found.sd_in_blocks is not None:
        sentences.append(
            f"Equal seeds of {_together(pairs, baselines)} saw the data in the same order and are compared "
            f"with each other: a seed lies {found.sd_in_blocks:.2f} nats (sd) from what its variant and its "
            "seed lead one to expect."
        )
    if found.sd is not None:
        others = "Other pairs of networks" if sentences else "Networks"
        sentences.append(
            f"{others} are compared by their means: a seed lies {found.sd:.2f} nats (sd) from its variant's "
            "mean."
        )
    if found.form == "common error":
        error = "The error" if None in (found.sd, found.sd_in_blocks) else "Each error"
        sentences.append(f"{error} is common to all networks that are compared so.")
    elif found.form == "own errors":
        sentences.append(
            "Networks scatter differently for one error: each has its own, drawn towards the common one."
        )
    if baselines:
        are = "a baseline, have" if len(baselines) == 1 else "baselines, have"
        sentences.append(f"Pairs with {joined(baselines)}, {are} an error of their own.")
    spent = level_of(found.look)
    sentences.append(
        "So that all looks together keep 95 %, the intervals of this one are drawn at "
        f"{100 - 100 * spent:.10g} %, and p is multiplied by {SIGNIFICANCE / spent:.6g}."
    )
    return " ".join(sentences)


def _images_add(pairs: Pairs, baselines: Sequence[str]) -> str:
    """That new test images widen no interval between networks as it is printed; '' if they widen one."""
    networks = [name for name in pairs.names if name not in baselines]
    tested = [pair for pair in permutations(networks, 2) if pairs.seeds[pair].high is not None]
    if not tested or any(pair not in pairs.new_images for pair in tested):
        return ""
    found = [(pairs.seeds[pair], pairs.new_images[pair]) for pair in tested]
    if any(not over.seeds_share or f"{over.high:.2f}" != f"{one.high:.2f}" for one, over in found):
        return ""
    most = max(1 / over.seeds_share - 1 for _, over in found)
    added = "less than 1 %" if most < 0.01 else f"at most {100 * most:.0f} %"
    return (
        "New test images, a sample like the seeds, widen no interval between networks: they add "
        f"{added} to the variance of a difference, and none is drawn narrower than over seeds alone."
    )


def _together(pairs: Pairs, baselines: Sequence[str]) -> str:
    """The networks that are compared seed by seed, in words: each group of such as one."""
    networks = [name for name in pairs.names if name not in baselines]
    groups: list[list[str]] = []
    for name in networks:
        own = next((group for group in groups if pairs.seeds[group[0], name].blocked), None)
        if own is None:
            groups.append([name])
        else:
            own.append(name)
    groups = [group for group in groups if len(group) > 1]
    apart = [name for name in networks if not any(name in group for group in groups)]
    if len(groups) == 1 and len(groups[0]) > max(2, len(apart)):
        return "all networks" + (f" but {joined(apart, len(apart))}" if apart else "")
    own_order = " (each group in an order of its own)" if len(groups) > 1 else ""
    return ", and of ".join(joined(group, len(group)) for group in groups) + own_order


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
