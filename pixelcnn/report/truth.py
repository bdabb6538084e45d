"""Variants beside a truth that is known: the oracle's nats, image by image (docs/control.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelcnn.report.arrays import load, mean_of_all
from pixelcnn.report.collect import Collected, DatasetRuns, VariantRuns, collect
from pixelcnn.report.pairs import nats_of
from pixelcnn.statistics.truth import Excess, below, excess

#: Chance, at most, that a benchmark names a variant wrongly.
ALPHA = 0.05


@dataclass(frozen=True)
class AboveTruth:
    """How far a variant lies above the truth, mean over its finished seeds.

    `excess` is of what compares with all variants, `given_label` of a conditional one's NLL given the label,
    where the label matters. `used` is the share of what the baseline leaves that this one does not.
    """

    variant: VariantRuns
    excess: Excess
    given_label: Excess | None
    used: float | None


@dataclass(frozen=True)
class Truth:
    """The truth about a dataset in nats per image, given the label too where that matters; and the others."""

    oracle: VariantRuns
    nll: float
    given_label: float | None
    others: list[AboveTruth]


@dataclass(frozen=True)
class Below:
    """A run that lies below the truth by more than chance; p is adjusted for all that were asked."""

    dataset: str
    variant: str
    seed: int
    excess: Excess
    p: float


def truth_of(dataset: DatasetRuns) -> Truth | None:
    """The truth about a dataset; None where no finished run knows it."""
    oracle, nats = _oracle(dataset), _truth_by_image(dataset)
    if oracle is None or nats is None:
        return None
    given = _given_label(oracle) if oracle.spec.conditional else None
    found = [
        (variant, excess(own, nats), _of_given(variant, given))
        for variant in dataset.variants
        if not variant.truth and (own := _nats(variant)) is not None and own.shape == nats.shape
    ]
    most = max((above.mean for variant, above, _ in found if variant.baseline), default=0.0)
    others = [
        AboveTruth(variant, above, of_given, 1 - above.mean / most if most > 0 else None)
        for variant, above, of_given in found
    ]
    return Truth(
        oracle,
        float(nats.mean()),
        None if given is None else float(given.mean()),
        sorted(others, key=lambda other: other.excess.mean),
    )


def below_truth(datasets: Sequence[DatasetRuns]) -> list[Below]:
    """Every run on these datasets that lies below its truth, adjusted for all of them together.

    Each seed is asked by itself: beside good ones, the mean would hide one that is wrong.
    """
    asked: dict[tuple[str, str, int], Excess] = {}
    for dataset in datasets:
        known = _truth_by_image(dataset)
        for variant in dataset.variants if known is not None else []:
            for run in variant.finished if not variant.truth else []:
                own = nats_of(run)
                if known is not None and own is not None and own.shape == known.shape:
                    asked[dataset.name, variant.name, run.spec.seed] = excess(own, known)
    return [Below(*key, asked[key], p) for key, p in below(asked, ALPHA).items()]


def below_in(directory: Path) -> list[Below]:
    """The same of a benchmark's folder as it is now.

    Raises:
        UserError: if it is none, or its runs do not compare.
    """
    collected: Collected = collect(directory)
    return below_truth(collected.datasets)


def below_words(found: Below) -> str:
    """One of them in a sentence."""
    p = f"p {'<' if found.p < 1e-4 else '='} {max(found.p, 1e-4):.2g}"
    return (
        f"{found.variant} (seed {found.seed}) on {found.dataset} is {-found.excess.mean:.3g} nats below the "
        f"truth ({found.excess.images:,} images, {p}), which no probabilities can be: it sees what it "
        "must not, or they do not sum to 1"
    )


def truth_words(truth: Truth) -> str:
    """The truth, and who comes nearest to it, in a sentence."""
    known = f"The truth is {truth.nll:.2f} nats per image"
    if not truth.others:
        return f"{known}."
    nearest = truth.others[0]
    above = f"{abs(nearest.excess.mean):.3f} nats {'above' if nearest.excess.mean >= 0 else 'below'} it"
    used = (
        f", {100 * nearest.used:.1f} % of what there is to know"
        if nearest.used is not None and nearest.used <= 1
        else ""
    )
    return f"{known}; {nearest.variant.name} comes nearest, {above}{used}."


def above_by_offset(
    truth: Truth, places: Sequence[Sequence[tuple[int, int]]]
) -> Iterator[tuple[VariantRuns, NDArray[np.float64], NDArray[np.bool_] | None]]:
    """Variants, their nats above the truth at a pixel of each offset, and whether they can see its pixel.

    `places` are those of each offset. A variant whose files are not usable is left out; where the label
    matters so is one that is not told it, since by pixel the truth is given the label.
    """
    known = _by_pixel(truth.oracle)
    for other in truth.others:
        own = _by_pixel(other.variant)
        if truth.oracle.spec.conditional and not other.variant.spec.conditional:
            continue
        if known is None or own is None or own.shape != known.shape:
            continue
        above = own - known
        nats = np.array([np.mean([above[place] for place in of_one]) for of_one in places])
        seen = load(next((run.maps for run in other.variant.finished), None), "offsets_seen")
        yield other.variant, nats, seen if seen is not None and len(seen) == len(places) else None


def _oracle(dataset: DatasetRuns) -> VariantRuns | None:
    return next((variant for variant in dataset.variants if variant.truth), None)


def _truth_by_image(dataset: DatasetRuns) -> NDArray[np.float64] | None:
    """The truth of each test image; None where no finished run knows it."""
    oracle = _oracle(dataset)
    return _nats(oracle) if oracle else None


def _nats(variant: VariantRuns) -> NDArray[np.float64] | None:
    """Nats of each test image that compare with other variants, mean over seeds."""
    return mean_of_all(nats_of(run) for run in variant.finished)


def _given_label(variant: VariantRuns) -> NDArray[np.float64] | None:
    return mean_of_all(load(run.nats, "per_image") for run in variant.finished)


def _of_given(variant: VariantRuns, given: NDArray[np.float64] | None) -> Excess | None:
    own = _given_label(variant) if given is not None and variant.spec.conditional else None
    return excess(own, given) if own is not None and given is not None and own.shape == given.shape else None


def _by_pixel(variant: VariantRuns) -> NDArray[np.float64] | None:
    return mean_of_all(load(run.nats, "per_pixel") for run in variant.finished)
