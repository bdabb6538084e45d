"""The tables for machines: a row a run, a row a variant, a row a pair of variants, a row an answer."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations
from typing import Any

import pandas as pd

from pixelcnn.report.collect import DatasetRuns, Run
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.findings import Finding
from pixelcnn.report.pairs import Pairs
from pixelcnn.report.seed_mixtures import Mixture
from pixelcnn.report.truth import Truth, truth_of
from pixelcnn.results.metric import Source
from pixelcnn.results.metric_table import METRICS

#: What the table of runs says of the test images, where the run counts, and of a training, besides metrics.
TEST_FACTS = ("dims", "levels", "split", "data_sha256")
TRAINING_FACTS = (
    "stopped_early",
    "device",
    "threads",
    "precision",
    "host",
    "commit",
    "code",
    "resumes",
    "run_id",
    "started",
    "ended",
)


def runs_table(runs: list[Run]) -> pd.DataFrame:
    """One row a run, finished or not, its numbers in the units of `results.metric_table`."""
    return pd.DataFrame([_run_row(run) for run in runs])


def _run_row(run: Run) -> dict[str, Any]:
    test = asdict(run.metrics) if run.finished and run.metrics else {}
    record = asdict(run.record) if run.record else {}
    return {
        "dataset": run.spec.dataset_name,
        "variant": run.spec.variant_name,
        "model": run.spec.variant.model,
        "conditional": run.spec.variant.conditional,
        "seed": run.spec.seed,
        "status": str(run.status),
        "detail": run.detail,
        **_numbers(run, "test"),
        **{key: test.get(key) for key in TEST_FACTS},
        **_numbers(run, "analysis", "history", "audit"),
        **_numbers(run, "training"),
        **{key: record.get(key) for key in TRAINING_FACTS},
        "stale": run.stale,
        "digest": record.get("digest"),
        "expected_digest": run.spec.digest,
    }


def _numbers(run: Run, *sources: Source) -> dict[str, float | None]:
    columns = [m for m in METRICS if m.per_run and m.source in sources]
    return {m.key: m.of(run.records) for m in columns}


#: The columns of the difference to the best variant, as in the table of pairs.
BEHIND = ("behind", "behind_low", "behind_high", "behind_p")


def comparison_table(
    datasets: list[tuple[DatasetRuns, list[VariantResult], Pairs, dict[str, Mixture]]],
) -> pd.DataFrame:
    """One row a dataset and variant, ranked: `expected` seeds, and each metric over the finished ones.

    By what is certain a variant's rank is `best_rank` to `worst_rank`; it is `behind` the best one by so many
    nats. `mixture_nll` is that of the mixture of `mixture_n` seeds' networks, which is another model. Where
    the truth is known, `truth_nll`, it lies `excess` nats above that, over test images.
    """
    truths = {dataset.name: truth_of(dataset) for dataset, *_ in datasets}
    return pd.DataFrame(
        [
            _variant_row(dataset, result)
            | _place(pairs, result.name)
            | _above(truths[dataset.name], result.name)
            | {
                "mixture_nll": mix.nll if (mix := mixed.get(result.name)) else None,
                "mixture_n": mix.n if mix else 0,
            }
            for dataset, results, pairs, mixed in datasets
            for result in results
        ]
    )


def _above(truth: Truth | None, name: str) -> dict[str, float | None]:
    other = next((o for o in truth.others if o.variant.name == name), None) if truth else None
    if truth is None or other is None:
        return dict.fromkeys(("truth_nll", "excess", "excess_low", "excess_high"))
    found = other.excess
    return {
        "truth_nll": truth.nll,
        "excess": found.mean,
        "excess_low": found.low,
        "excess_high": found.high,
    }


def _place(pairs: Pairs, name: str) -> dict[str, Any]:
    if name not in pairs.names:
        return dict.fromkeys(("best_rank", "worst_rank", *BEHIND))
    best, worst = pairs.ranks(name)
    place: dict[str, Any] = {"best_rank": best, "worst_rank": worst}
    if name == pairs.names[0]:
        return place | dict.fromkeys(BEHIND) | {"behind": 0.0}
    found = pairs.seeds[name, pairs.names[0]]
    values = (found.difference, found.low, found.high, found.p)
    return place | dict(zip(BEHIND, values, strict=True))


def _variant_row(dataset: DatasetRuns, result: VariantResult) -> dict[str, Any]:
    row: dict[str, Any] = {
        "dataset": dataset.name,
        "variant": result.name,
        "model": result.variant.spec.model,
        "conditional": result.conditional,
        "rank": result.rank,
        "n": result.n,
        "expected": result.expected,
        "parameters": result.parameters,
        "commits": " ".join(result.variant.commits),
        "stale": result.variant.stale,
    }
    audit = result.variant.audit
    row["paid_bits_per_dim"] = audit.paid_bits_per_dim if audit else None
    for metric in METRICS:
        if not metric.summarized:
            continue
        summary = result.summaries.get(metric.key)
        for part in ("mean", "sd", "low", "high", "n"):
            empty = 0 if part == "n" else None
            row[f"{metric.key}_{part}"] = getattr(summary, part) if summary else empty
    return row


def pairs_table(datasets: list[tuple[DatasetRuns, Pairs]]) -> pd.DataFrame:
    """One row a dataset and pair of variants, the better one first; differences in nats per image.

    `difference` is first minus second over seeds, [`low`, `high`] its simultaneous interval and `p` adjusted
    for all pairs and looks; the `plain_` ones are of this difference alone. `new_images_` ones are over seeds
    and new test images; `images_` ones over test images, the same networks: see `report.pairs`. `beats` is
    the share of pairs of a seed of each in which the first has the lower NLL.
    """
    rows = [
        _pair_row(dataset, pairs, first, second)
        for dataset, pairs in datasets
        for first, second in combinations(pairs.names, 2)
    ]
    return pd.DataFrame(rows, columns=list(_PAIR_COLUMNS))


#: What a row of pairs takes from its comparison, and from what is known over images, as it is.
COMPARISON = (
    "difference", "low", "high", "plain_low", "plain_high", "p", "verdict", "sign", "stepwise",
    "margin", "form", "blocked", "error", "freedom",
)  # fmt: skip
NEW_IMAGES = ("error", "low", "high", "plain_low", "plain_high", "seeds_share")
IMAGES = ("mean", "error", "low", "high", "better")
_PAIR_COLUMNS = (
    "dataset", "first", "second", *COMPARISON, "n_first", "n_second", "look", "beats",
    *(f"new_images_{key}" for key in NEW_IMAGES), *(f"images_{key}" for key in IMAGES), "images",
)  # fmt: skip


def _pair_row(dataset: DatasetRuns, pairs: Pairs, first: str, second: str) -> dict[str, Any]:
    pair = first, second
    seeds, over, images = pairs.seeds[pair], pairs.new_images.get(pair), pairs.images.get(pair)
    return {
        "dataset": dataset.name,
        "first": first,
        "second": second,
        **{key: getattr(seeds, key) for key in COMPARISON},
        "n_first": seeds.n[0],
        "n_second": seeds.n[1],
        "look": pairs.seeds.look,
        "beats": pairs.beats[pair],
        **{f"new_images_{key}": over and getattr(over, key) for key in NEW_IMAGES},
        **{f"images_{key}": images and getattr(images, key) for key in IMAGES},
        "images": images and images.images,
    }


def findings_table(datasets: list[tuple[DatasetRuns, list[Finding]]]) -> pd.DataFrame:
    """One row a claim and pair of variants that it is about, with the answer and the numbers behind it.

    `effect` is `value` minus `other_value` over seeds, or, where `effect_unit` is "times", their ratio; `low`
    and `high` are its interval, simultaneous if it is a difference. All are empty where nothing was measured.
    """
    rows = [_finding_row(dataset, finding) for dataset, findings in datasets for finding in findings]
    return pd.DataFrame(rows, columns=list(FINDING_COLUMNS))


FINDING_COLUMNS = (
    "dataset", "claim", "question", "subject", "against", "verdict", "measure", "unit",
    "value", "other_value", "effect", "effect_unit", "low", "high", "p", "n_subject", "n_against", "sentence",
)  # fmt: skip


def _finding_row(dataset: DatasetRuns, finding: Finding) -> dict[str, Any]:
    difference, ratio = finding.difference, finding.ratio
    behind = difference or ratio
    told = ("claim", "question", "subject", "against", "verdict", "measure", "unit", "sentence")
    return {
        "dataset": dataset.name,
        **{key: getattr(finding, key) for key in told},
        **dict(zip(("value", "other_value"), finding.means or (None, None), strict=True)),
        "effect": difference.difference if difference else ratio and ratio.value,
        "effect_unit": finding.step,
        **{key: behind and getattr(behind, key) for key in ("low", "high")},
        "p": difference and difference.p,
        **dict(zip(("n_subject", "n_against"), behind.n if behind else (None, None), strict=True)),
    }
