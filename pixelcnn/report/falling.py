"""Whose validation NLL still falls when its training ends: more training might change the ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from pixelcnn.config.budget import epochs_words
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.progress import Curve, trained_curves
from pixelcnn.report.text import thousands
from pixelcnn.report.words import amount, joined

#: The part of a training's images that counts as its end, and the fall there that counts, of the NLL.
END = 0.1
LEAST = 0.001


@dataclass(frozen=True)
class Falling:
    """How much the validation NLL of a variant fell at the end of its training, mean over seeds.

    `fall` is in nats per image. It is over the last `images`, a `part` of those of the training: the last
    tenth, or as much more as lies between validations.
    """

    result: VariantResult
    fall: float
    images: float
    part: float

    @property
    def over(self) -> str:
        """The end of the training as words, in what its validations are counted in."""
        run = self.result.variant.runs[0]
        last = run.history[-1] if run.history else {}
        if run.spec.training.counted_in == "images" or not last.get("images"):
            return f"the last {thousands(round(self.images))} images"
        epochs = self.images / (last["images"] / last["epoch"])
        words = epochs_words(round(epochs, 3))
        return "the last epoch" if words == "1" else f"the last {words} epochs"


def still_falling(results: Sequence[VariantResult]) -> list[Falling]:
    """The variants whose validation NLL falls at the end, in the order given.

    One falls if it does so in every trained seed over the last tenth of the images (or the last interval of
    validations, if that is longer), and by more than 0.1 % of the NLL in the mean.

    Learning rates decay to zero by the end of the budget, and a curve flattens as they do: one that does not
    fall says that this schedule is done, not that a longer one would gain nothing. So this finds too few.
    """
    return [found for result in results if (found := _falling(result))]


def _falling(result: VariantResult) -> Falling | None:
    curves = trained_curves(result)
    if not curves or any(len(curve.nll) < 2 for curve in curves):
        return None
    begins = [_begin_of_end(curve) for curve in curves]
    falls = [float(c.nll[b] - c.nll[-1]) for c, b in zip(curves, begins, strict=True)]
    fall = fmean(falls)
    if min(falls) <= 0 or fall <= LEAST * abs(fmean(float(curve.nll[-1]) for curve in curves)):
        return None
    images = [float(c.images[-1] - c.images[b]) for c, b in zip(curves, begins, strict=True)]
    parts = [some / float(curve.images[-1]) for some, curve in zip(images, curves, strict=True)]
    return Falling(result, fall, fmean(images), fmean(parts))


def _begin_of_end(curve: Curve) -> int:
    """The last validation after which at least a tenth of the images came."""
    last = float(curve.images[-1])
    # A hair more, for a tenth of some counts of images lies a rounding error off the validation.
    early = np.flatnonzero(curve.images <= (1 - END) * last * (1 + 1e-9))
    return int(early[-1]) if len(early) else 0


def falling_sentence(results: Sequence[VariantResult]) -> str:
    """One sentence on the variants that still fall at the end of training; '' if none does.

    Four are named at most, in the order given, with the fall of each; of all only the range is told.
    """
    found = still_falling(results)
    if not found:
        return ""
    trained = sum(bool(trained_curves(result)) for result in results)
    whose = _all(found, len(results)) if len(found) == trained > 2 else _named(found)
    at = "the ranking is one at this budget"
    return f"At the end of training the validation NLL of {whose} still falls: {at}."


def _all(found: Sequence[Falling], variants: int) -> str:
    who = "all variants" if len(found) == variants else f"all {len(found)} trained variants"
    falls = sorted(one.fall for one in found)
    low, high = (amount(fall, 2) for fall in (falls[0], falls[-1]))
    over = {one.over for one in found}
    where = over.pop() if len(over) == 1 else "about the last tenth"
    return f"{who} ({low if low == high else f'{low} to {high}'} nats in {where})"


def _named(found: Sequence[Falling]) -> str:
    alike = len({one.over for one in found}) == 1
    words = []
    for place, one in enumerate(found):
        unit = f" nats in {one.over}" if place == 0 or not alike else ""
        words.append(f"{one.result.name} ({amount(one.fall, 2)}{unit})")
    return joined(words)
