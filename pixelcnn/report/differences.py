"""All differences between the variants of a dataset: of each metric one analysis of variant x seed.

Everything that the report says of a difference over seeds is asked here, so that a comparison has one
interval and one p wherever it stands. What is estimated is what training with other seeds would give, on the
test images there are (docs/statistics.md).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import DatasetRuns
from pixelcnn.report.compare import VariantResult, rank
from pixelcnn.report.looks import Asked, Look, look_at
from pixelcnn.report.words import in_words
from pixelcnn.results.metric import Metric
from pixelcnn.results.metric_table import RANKED_BY, metric
from pixelcnn.statistics.comparisons import Comparisons, compare


class Differences:
    """Those between `results`; each metric is analysed once, when it is first asked for.

    From then on `results` are ranked by the differences of what ranks them. These are those of the means but
    where variants have different seeds: there a mean also says which seeds it is of.

    Two variants are equivalent in what ranks them where they differ by less than `margin`, a share of the
    best; for other metrics nobody can say what difference is none.
    """

    def __init__(self, results: Sequence[VariantResult], *, margin: float, look: Look) -> None:
        self.results = list(results)
        self.look = look
        best = min((result.nll.mean for result in results if result.nll), default=0.0)
        #: In nats per image.
        self.margin = margin * abs(best)
        self._found: dict[str, Comparisons] = {}
        self.results = self._ranked()

    def _ranked(self) -> list[VariantResult]:
        names = [result.name for result in self.results if result.nll]
        found = self.of(metric(RANKED_BY))
        # By how much a variant lies above all others, on average.
        height = {a: sum(found[a, b].difference for b in names if b != a) for a in names}
        ranked = sorted((r for r in self.results if r.nll), key=lambda result: height[result.name])
        numbered = [replace(result, rank=place) for place, result in enumerate(ranked, 1)]
        return numbered + [result for result in self.results if not result.nll]

    def of(self, metric: Metric) -> Comparisons:
        """Of all variants that have the metric, in the unit that words tell it in."""
        if metric.key not in self._found:
            told = in_words(metric).factor
            values = {
                result.name: {seed: told * value for seed, value in by_seed.items()}
                for result in self.results
                if (by_seed := result.by_seed(metric))
            }
            self._found[metric.key] = compare(
                values,
                data_order={result.name: data_order(result) for result in self.results},
                baselines=[result.name for result in self.results if result.baseline],
                margin=self.margin if metric.key == RANKED_BY else 0.0,
                lower_is_better=metric.better != "higher",
                look=self.look.number,
            )
        return self._found[metric.key]


def differences_of(
    dataset: DatasetRuns, benchmark: Benchmark, looks: Mapping[str, Sequence[Asked]]
) -> Differences:
    """Those between the variants of a dataset; `looks` are what earlier reports saw, by dataset."""
    look = look_at(dataset, looks.get(dataset.name, []))
    return Differences(rank(dataset), margin=benchmark.report.equivalent_within, look=look)


def data_order(result: VariantResult) -> Hashable:
    """What decides, with the seed, which images are in which batch; None if nothing was trained.

    The order derives from the run's seed alone, so equal seeds saw the same batches if the data, the batch
    size and the budget are the same.
    """
    if not result.variant.finished:
        return None
    spec = result.variant.finished[0].spec
    recipe = spec.training
    return repr((spec.dataset, recipe.batch_size, recipe.epochs, recipe.images))
