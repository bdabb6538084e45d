"""What a tuning leaves: a table of its trials, and the config that they lead to, with where it is from."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.tuned import TrialResult, TunedVariant, tuned_name
from pixelcnn.config.yaml_text import OneLine, written
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.results.made_of import tuning_digest
from pixelcnn.system.files import atomic
from pixelcnn.system.provenance import commit_or_why
from pixelcnn.tuning.choice import Outcome, chosen
from pixelcnn.tuning.trials import tuned, tuning_of, with_values

#: Decimals of the NLLs in the config; the table has all of them.
DIGITS = 4


def write(folder: BenchmarkFolder, benchmark: Benchmark, outcomes: Sequence[Outcome]) -> Path:
    """Write the table, then the config; returns its path.

    Raises:
        UserError: if all trials of a variant failed; the table is written then, too.
    """
    with atomic(folder.trials) as temporary:
        _write_csv(temporary, outcomes, list(tuning_of(tuned(benchmark)).space))
    text = tuned_yaml(benchmark, outcomes)
    digest = tuning_digest(folder, benchmark)
    for path, content in ((folder.tuned, text), (folder.tuned_of, digest)):
        with atomic(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return folder.tuned


def _write_csv(path: Path, outcomes: Sequence[Outcome], keys: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        head = ["variant", "trial", *keys, "seeds", "status", "valid_nll", "seconds", "error"]
        rows = csv.DictWriter(stream, head)
        rows.writeheader()
        for one in outcomes:
            values = {key: json.dumps(value) for key, value in one.trial.values.items()}
            rows.writerow(
                {
                    "variant": one.trial.variant,
                    "trial": one.trial.number,
                    **values,
                    "seeds": " ".join(map(str, one.seeds)),
                    "status": one.status,
                    "valid_nll": one.valid_nll,
                    "seconds": round(one.seconds, 1),
                    "error": one.error,
                }
            )


def table(outcomes: Sequence[Outcome]) -> str:
    """The trials of every variant, best first, as text: values, validation NLL, seconds."""
    return "\n".join(_lines(outcomes))


def _lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for name in dict.fromkeys(one.trial.variant for one in outcomes):
        own = [one for one in outcomes if one.trial.variant == name]
        yield f"{name}: validation NLL, nats/image"
        worst = float("inf")
        for one in sorted(own, key=lambda o: (worst if o.valid_nll is None else o.valid_nll, o.trial.number)):
            nll = "failed" if one.valid_nll is None else nats(one.valid_nll)
            as_written = " (as written)" if one.trial.number == 0 else ""
            why = f": {one.error}" if one.error else ""
            yield (
                f"  {nll:>10}  t{one.trial.number:02d}  {_said(one.trial.values)}{as_written}"
                f"  {one.seconds:.0f} s{why}"
            )


def nats(value: float) -> str:
    """Nats per image with three decimals; what all but diverged with three digits."""
    return f"{value:.3f}" if value < 1e6 else f"{value:.2e}"


def _said(values: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={json.dumps(value)}" for key, value in values.items())


def tuned_yaml(benchmark: Benchmark, outcomes: Sequence[Outcome]) -> str:
    """The config of the benchmark with the values that were chosen, as YAML with comments.

    Raises:
        UserError: if all trials of a variant failed.
    """
    best = chosen(outcomes)
    content = _plain(tuned_benchmark(tuned(benchmark), outcomes))
    section = content.pop("tuned")
    for said in section.values():
        said["trials"] = [OneLine(trial) for trial in said["trials"]]
    provenance = _provenance(benchmark, outcomes, best)
    return written(content, provenance, folder_of(benchmark).tuned, {"tuned": section})


def tuned_benchmark(original: Benchmark, outcomes: Sequence[Outcome]) -> Benchmark:
    """A benchmark of its own name, whose variants have the values that were chosen.

    It says so in `tuned`, where what an earlier tuning found of other variants stays.

    Raises:
        UserError: if all trials of a variant failed.
    """
    best = chosen(outcomes)
    variants = {
        name: with_values(variant, best[name].trial) if name in best else variant
        for name, variant in original.variants.items()
    }
    widths = {name: match for name, one in best.items() if (match := one.trial.match)}
    matched = {dataset: {**own, **widths} for dataset, own in (original.matched or {}).items()}
    return replace(
        original,
        benchmark=tuned_name(original.benchmark),
        matched=matched or None,
        variants=variants,
        tuning=None,
        tuned={**(original.tuned or {}), **dict(_told(original, outcomes, best))},
    )


def _told(
    original: Benchmark, outcomes: Sequence[Outcome], best: Mapping[str, Outcome]
) -> Iterator[tuple[str, TunedVariant]]:
    for name, one in best.items():
        before = (original.tuned or {}).get(name)
        own = [outcome for outcome in outcomes if outcome.trial.variant == name]
        yield (
            name,
            TunedVariant(
                of=original.benchmark,
                seeds=one.seeds,
                earlier=before.earlier + len(before.trials) if before else 0,
                share=tuning_of(original).share,
                chosen=one.trial.number,
                trials=tuple(_result(outcome) for outcome in own),
            ),
        )


def _result(one: Outcome) -> TrialResult:
    rounded = None if one.valid_nll is None else round(one.valid_nll, DIGITS)
    return TrialResult(number=one.trial.number, valid_nll=rounded, values=one.trial.values)


def budget_words(share: float) -> str:
    """How long the trials were: "trainings of 10 % of the budget"."""
    return "trainings of the whole budget" if share == 1 else f"trainings of {100 * share:g} % of the budget"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _provenance(
    benchmark: Benchmark, outcomes: Sequence[Outcome], best: Mapping[str, Outcome]
) -> Iterator[str]:
    """The paragraphs of the comment above the config."""
    original, (commit, no_commit) = tuned(benchmark), commit_or_why()
    tuning = tuning_of(original)
    yield (
        f"Chosen by `snakemake tune` for {original.benchmark}, among {tuning.trials} trials of each variant, "
        "which trials.csv beside this file lists. They were judged by the best validation NLL of the "
        f"averaged weights (nats/image, mean over {_seeds(tuning.seeds)}), after "
        f"{budget_words(tuning.share)}. Trial 0 is the config as written. "
        f"Written at {f'commit {commit}' if commit else f'no commit ({no_commit})'}; "
        f"`pixelcnn tuned {folder_of(benchmark).path}` writes it again, so copy it before you edit it."
    )
    for name, one in best.items():
        assert one.valid_nll is not None  # or it would not have been chosen
        (first,) = (o for o in outcomes if (o.trial.variant, o.trial.number) == (name, 0))
        before = "failed" if first.valid_nll is None else nats(first.valid_nll)
        values = _said(one.trial.values)
        yield f"  {name}: trial {one.trial.number}, {nats(one.valid_nll)} (as written: {before}); {values}"


def _plain(benchmark: Benchmark) -> dict[str, Any]:
    """What a user would write: recipes and variants whole, no section that has its defaults only."""
    plain = json.loads(json.dumps(dataclasses.asdict(benchmark)))
    fields = {f.name: f for f in dataclasses.fields(benchmark) if "internal" not in f.metadata}
    kept = ("benchmark", "datasets", "variants", "seeds", "training")
    defaults = {name: f.default for name, f in fields.items()}
    said = {name: plain[name] for name in fields if name in kept or _differs(benchmark, name, defaults[name])}
    first = ("benchmark", "title", "note", "datasets", "seeds", "training", "variants")
    return {name: said[name] for name in (*first, *said) if name in said}


def _differs(benchmark: Benchmark, name: str, default: Any) -> bool:
    value = getattr(benchmark, name)
    factory = next(f.default_factory for f in dataclasses.fields(benchmark) if f.name == name)
    return bool(value != (default if factory is dataclasses.MISSING else factory()))
