"""From the runs of a dataset to its ranking: every metric summarized over seeds, variant by variant.

What is estimated is the expected value of a metric over training seeds, on the test images there are. So a
seed is one observation, and how results vary from image to image is no part of it (see `report.pairs`).
Seeds are taken for independent and their results for normally distributed, which few seeds cannot check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixelcnn.report.collect import DatasetRuns, VariantRuns
from pixelcnn.report.timed import timed_runs
from pixelcnn.results.metric import Metric
from pixelcnn.results.metric_table import METRICS, RANKED_BY
from pixelcnn.statistics.summary import Summary, summarize


@dataclass(frozen=True)
class VariantResult:
    """A variant on a dataset: its runs, and each metric that at least one finished run has."""

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
    def baseline(self) -> bool:
        """Whether it is something to hold networks against, and none of them."""
        return bool(self.variant.baseline)

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
        return self.summaries.get(RANKED_BY)

    def values(self, metric: Metric) -> list[float]:
        """One value of a metric for each finished seed that has it, in the order of the seeds."""
        return list(self.by_seed(metric).values())

    def by_seed(self, metric: Metric) -> dict[int, float]:
        """The values of a metric by seed."""
        runs = self.variant.finished
        if metric.of_machine:
            runs = [run for run in timed_runs(self.variant) if run.finished]
        found = {run.spec.seed: metric.of(run.records) for run in runs}
        return {seed: value for seed, value in found.items() if value is not None}


def rank(dataset: DatasetRuns) -> list[VariantResult]:
    """The variants of a dataset, lowest mean of the comparable NLL first, those without one last.

    Without one that knows the truth, which would win: see `report.truth`.
    """
    results = [_result(variant) for variant in dataset.variants if not variant.truth]
    ranked = sorted((r for r in results if r.nll), key=lambda r: r.nll.mean if r.nll else 0.0)
    numbered = [VariantResult(r.variant, r.summaries, i) for i, r in enumerate(ranked, 1)]
    return numbered + [r for r in results if not r.nll]


def _result(variant: VariantRuns) -> VariantResult:
    bare = VariantResult(variant, {})
    return VariantResult(variant, {m.key: summarize(v) for m in METRICS if (v := bare.values(m))})


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
