"""From the runs of a dataset to its ranking: every measure summarized over seeds, variant by variant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pixelcnn.report.collect import DatasetRuns, Run, VariantRuns
from pixelcnn.statistics.summary import Summary, summarize

#: What `records.Metrics` measures of a run on the test images, as it was trained and label-marginalised.
TEST_MEASURES = (
    "nll",
    "bits_per_dim",
    "perplexity",
    "marginal_nll",
    "marginal_bits_per_dim",
    "marginal_perplexity",
    "accuracy",
)

#: What `records.Analysis` says of a run, and two gaps, validation minus training NLL: of the chosen epoch's
#: averaged weights, and of the last epoch, whose training NLL is that of the weights while they trained.
ANALYSIS_MEASURES = (
    "gap",
    "end_gap",
    "effective_pixels",
    "effective_radius",
    "reach_pixels",
    "agreement",
    "sample_distance",
    "test_distance",
)

#: Measures of a run. NLL in nats per image, times in seconds, memory in bytes.
#: The `comparable_` ones are of -log p(x), label-marginalised where the variant is conditional.
MEASURES = (
    "comparable_nll",
    "comparable_bits_per_dim",
    "comparable_perplexity",
    *TEST_MEASURES,
    "training_seconds",
    "wall_seconds",
    "images_per_second",
    "peak_memory_bytes",
    "best_epoch",
    "epochs",
    *ANALYSIS_MEASURES,
)


def measure(run: Run, key: str) -> float | None:
    """One of `MEASURES` for a finished run; None if it has no such value, or one that is not finite."""
    value = _value(run, key)
    return None if value is None or not math.isfinite(value) else float(value)


def _value(run: Run, key: str) -> float | None:
    if key == "gap":
        return None if run.analysis is None else run.analysis.valid_nll - run.analysis.train_nll
    if key == "end_gap":
        last = run.history[-1] if run.history else {}
        valid, train = last.get("valid_nll"), last.get("train_nll")
        return None if valid is None or train is None else valid - train
    if key in ANALYSIS_MEASURES:
        return getattr(run.analysis, key, None)
    if key.startswith("comparable_"):
        prefix = "marginal_" if run.spec.variant.conditional else ""
        key = prefix + key.removeprefix("comparable_")
    for source in (run.metrics, run.record):
        if hasattr(source, key):
            value: float | None = getattr(source, key)
            return value
    raise KeyError(key)


@dataclass(frozen=True)
class VariantResult:
    """A variant on a dataset: its runs, and each measure that at least one finished run has."""

    variant: VariantRuns
    summaries: dict[str, Summary]
    rank: int | None = None

    @property
    def name(self) -> str:
        """The name of the variant in the config."""
        return self.variant.name

    @property
    def conditional(self) -> bool:
        """Whether the model is given the label."""
        return self.variant.spec.conditional

    @property
    def n(self) -> int:
        """How many seeds finished."""
        return len(self.variant.finished)

    @property
    def expected(self) -> int:
        """How many seeds the config asks for."""
        return len(self.variant.runs)

    @property
    def parameters(self) -> int | None:
        """How many trainable numbers the model has."""
        counts = [run.record.parameters for run in self.variant.finished if run.record]
        return counts[0] if counts else None

    @property
    def nll(self) -> Summary | None:
        """The NLL that compares with every other variant, in nats per image."""
        return self.summaries.get("comparable_nll")

    def values(self, key: str) -> list[float]:
        """One value of a measure for each finished seed that has it, in the order of the seeds."""
        found = (measure(run, key) for run in self.variant.finished)
        return [value for value in found if value is not None]


def rank(dataset: DatasetRuns) -> list[VariantResult]:
    """The variants of a dataset, lowest comparable NLL first, those without one last."""
    results = [_result(variant) for variant in dataset.variants]
    ranked = sorted((r for r in results if r.nll), key=lambda r: r.nll.mean if r.nll else 0.0)
    numbered = [VariantResult(r.variant, r.summaries, i) for i, r in enumerate(ranked, 1)]
    return numbered + [r for r in results if not r.nll]


def _result(variant: VariantRuns) -> VariantResult:
    bare = VariantResult(variant, {})
    return VariantResult(variant, {k: summarize(v) for k in MEASURES if (v := bare.values(k))})


def far_off(results: Sequence[VariantResult]) -> list[VariantResult]:
    """The variants so much worse than the others that their axes would show nothing else.

    Those above the first gap, in the better half or later, that is three times as wide as all below
    it spread (or as 5 % of the best NLL, should they agree more closely than that).
    """
    ranked = [r for r in results if r.nll]
    means = [r.nll.mean for r in ranked if r.nll]
    for kept in range(max(1, (len(means) + 1) // 2), len(means)):
        spread = max(means[kept - 1] - means[0], 0.05 * abs(means[0]))
        if means[kept] - means[kept - 1] > 3 * spread:
            return ranked[kept:]
    return []
