"""What is said about PixelCNNs, as statements that a benchmark can test. `report.findings` answers them.

A claim of your own is one more entry of `CLAIMS`, such as

    Claim(
        "transformer: lower NLL", "Does the transformer model the images better than the plain network?",
        subject=lambda spec: spec.model == "transformer", against=other_is(is_base),
        other="plain pixelcnn of its likelihood", measure=NLL, expected="lower",
    )
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.report.arrays import load
from pixelcnn.report.collect import Run
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.subjects import (
    is_attention,
    is_base,
    is_conditional,
    is_deeper,
    is_dilated,
    is_gated,
    is_pixelcnn_pp,
    is_pixelsnail,
    is_strided,
    is_twin,
    other_is,
)
from pixelcnn.results.folder import DatasetFolder
from pixelcnn.results.metric import Metric
from pixelcnn.results.metric_table import RANKED_BY, metric
from pixelcnn.results.records import Cost
from pixelcnn.statistics.summary import summarize


@dataclass(frozen=True)
class TimeMeasure:
    """Times in seconds, one a round, that were measured of a variant as a whole."""

    name: str
    of: Callable[[Cost], list[float]]


@dataclass(frozen=True)
class Claim:
    """A statement: the `measure` of each variant that `subject` picks is lower, or higher, than another.

    Namely than that of each variant for which `against(subject, variant)` holds; without `against`, than
    a `guess` that a run without any skill would reach. `other` says in words what `against` looks for: a
    benchmark that has no such variant is told so, or of a claim without `other` nothing. `note` adds to the
    answer what belongs beside it.
    """

    text: str
    question: str
    subject: Callable[[VariantSpec], bool]
    measure: Metric | TimeMeasure
    expected: Literal["lower", "higher"]
    against: Callable[[VariantSpec, VariantSpec], bool] | None = None
    other: str = ""
    guess: Callable[[Run], float | None] | None = None
    note: Callable[[VariantResult], str] | None = None

    def __post_init__(self) -> None:
        if (self.against is None) == (self.guess is None):
            raise ValueError(f"claim {self.text!r}: give either `against` or `guess`")


# What of them.

NLL = metric(RANKED_BY)
GAP = metric("gap")
END_GAP = metric("end_gap")
RADIUS = metric("effective_radius")
CONTEXT = metric("effective_share")
AGREEMENT = metric("agreement")
ACCURACY = metric("accuracy")
STEP = TimeMeasure("training step", lambda cost: cost.step_seconds)


def chance(run: Run) -> float | None:
    """How often a guess among the classes that samples were asked for is right."""
    shares = run.analysis.agreement_by_class if run.analysis else None
    return 1 / len(shares) if shares else None


def commonest(run: Run) -> float | None:
    """How often the commonest class among the test images would be right."""
    labels = load(DatasetFolder(run.folder.parents[1]).data, "test_labels")
    return None if labels is None else float(np.bincount(labels).max()) / len(labels)


# What to say beside.


def reach_note(result: VariantResult) -> str:
    """How many pixels a network can use and does use."""
    found = [run.analysis for run in result.variant.finished if run.analysis]
    if not found:
        return ""
    used = summarize(analysis.effective_pixels for analysis in found).mean
    return (
        f"Of the {found[0].earlier_pixels} earlier pixels {found[0].reach_pixels} can influence the centre "
        f"of {result.name}, and {used:.0f} hold 95 % of the influence."
    )


def classifier_note(result: VariantResult) -> str:
    """How good the judge is."""
    found = [run.analysis.classifier_accuracy for run in result.variant.finished if run.analysis]
    known = [accuracy for accuracy in found if accuracy is not None]
    return f"The classifier itself is right on {100 * known[0]:.1f} % of the test images." if known else ""


def marginal_note(result: VariantResult) -> str:
    """That the NLL given the label is another one."""
    given = result.summaries.get("nll")
    return f"This is label-marginalised; given the label it is {given.mean:.2f} nats." if given else ""


CLAIMS = [
    Claim(
        "base: uses nearer pixels",
        "Are the pixels that influence the centre one nearer to it, on average, than with attention?",
        subject=is_base,
        against=other_is(is_attention),
        other="variant with attention and its likelihood",
        measure=RADIUS,
        expected="lower",
        note=reach_note,
    ),
    Claim(
        "conditional: label-specific outputs",
        "Do samples show the label that was asked for, more often than by chance?",
        subject=is_conditional,
        measure=AGREEMENT,
        guess=chance,
        expected="higher",
        note=classifier_note,
    ),
    Claim(
        "conditional: tells the labels apart",
        "Does Bayes' rule find the label of a test image more often than the commonest class would be right?",
        subject=is_conditional,
        measure=ACCURACY,
        guess=commonest,
        expected="higher",
    ),
    Claim(
        "conditional: higher NLL",
        "Is the label-marginalised NLL higher than that of the same network without labels?",
        subject=is_conditional,
        against=is_twin,
        other="variant that is the same but for the label",
        measure=NLL,
        expected="higher",
        note=marginal_note,
    ),
    Claim(
        "attention: lower NLL",
        "Does attention give test images more probability than the plain network?",
        subject=is_attention,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=NLL,
        expected="lower",
    ),
    Claim(
        "attention: larger effective receptive field",
        "Does attention use more of the earlier pixels than the plain network?",
        subject=is_attention,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=CONTEXT,
        expected="higher",
        note=reach_note,
    ),
    Claim(
        "attention: slower",
        "Does a training step take longer than the plain network's?",
        subject=is_attention,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=STEP,
        expected="higher",
    ),
    Claim(
        "gated: lower NLL",
        "Do two gated stacks without a blind spot give test images more probability than the plain one?",
        subject=is_gated,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=NLL,
        expected="lower",
    ),
    Claim(
        "depth: lower NLL",
        "Does the network give test images more probability than its like of equal size with fewer blocks?",
        subject=lambda spec: True,
        against=is_deeper,
        measure=NLL,
        expected="lower",
    ),
    Claim(
        "strides: lower NLL",
        "Do coarser resolutions give test images more probability than the full one alone, at the same size?",
        subject=lambda spec: True,
        against=is_strided,
        measure=NLL,
        expected="lower",
    ),
    Claim(
        "pixelsnail: lower NLL",
        "Do gated blocks and attention in turn give test images more probability than the plain network?",
        subject=is_pixelsnail,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=NLL,
        expected="lower",
    ),
    Claim(
        "pixelcnn++: lower NLL",
        "Do two gated streams with short-cuts give test images more probability than the plain network?",
        subject=is_pixelcnn_pp,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=NLL,
        expected="lower",
    ),
    Claim(
        "dilated: larger effective receptive field",
        "Does the dilated network use more of the earlier pixels than the plain one?",
        subject=is_dilated,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=CONTEXT,
        expected="higher",
        note=reach_note,
    ),
    Claim(
        "dilated: higher NLL",
        "Is the NLL of the dilated network higher than the plain one's?",
        subject=is_dilated,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=NLL,
        expected="higher",
    ),
    Claim(
        "dilated: larger generalization gap",
        "Is validation minus training NLL, both of the chosen weights, larger than the plain network's?",
        subject=is_dilated,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=GAP,
        expected="higher",
    ),
    Claim(
        "dilated: larger gap at the end",
        "Is the gap at the end, to the training NLL while it trains, larger than the plain network's?",
        subject=is_dilated,
        against=other_is(is_base),
        other="plain pixelcnn of its likelihood",
        measure=END_GAP,
        expected="higher",
    ),
]
