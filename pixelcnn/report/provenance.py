"""What was run, on what, with what: facts from the records, and warnings where runs are not alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import Collected, DatasetRuns, Run
from pixelcnn.report.text import duration
from pixelcnn.report.timed import timed_on
from pixelcnn.report.words import joined
from pixelcnn.results.machines import Machine, lines_by_machine, machine_of
from pixelcnn.results.records import Record


@dataclass(frozen=True)
class Fact:
    """A property of the runs, and each value that it took with how many runs had it."""

    label: str
    values: list[str]


def records(runs: Iterable[Run]) -> list[Record]:
    """The records of the runs that enter a mean."""
    return [run.record for run in runs if run.finished and run.record]


def facts(collected: Collected) -> list[Fact]:
    """Code, machine and cost of the finished runs."""
    found = records(collected.runs)
    if not found:
        return []
    starts = [record.started for record in found]
    ends = [record.ended for record in found if record.ended]
    versions = sorted({name for record in found for name in record.versions})
    return [
        _distinct("commit", found, _commit),
        _distinct("device", found, lambda r: r.device),
        _distinct("host", found, lambda r: r.host),
        _distinct("threads per run", found, lambda r: r.threads),
        _distinct("precision of training", found, lambda r: r.precision),
        *(_distinct(name, found, partial(_version, name)) for name in versions),
        Fact("training, all runs", _spent(found)),
        *_machines(collected),
        Fact("first start, last end", [_minute(min(starts)), _minute(max(ends, default="unknown"))]),
    ]


def _spent(found: Sequence[Record]) -> list[str]:
    """How long the trainings took, machine by machine."""
    by_machine: dict[Machine, list[Record]] = {}
    for record in found:
        by_machine.setdefault(machine_of(record), []).append(record)
    spent = []
    for machine in sorted(by_machine, key=lambda one: (-len(by_machine[one]), one)):
        total = sum(record.training_seconds for record in by_machine[machine])
        wall = sum(record.wall_seconds for record in by_machine[machine])
        where = f" on {machine}" if len(by_machine) > 1 else ""
        spent.append(f"{duration(total)} of training steps, {duration(wall)} in all{where}")
    return spent


def _machines(collected: Collected) -> list[Fact]:
    """What was trained where, if that was not on one machine."""
    named = [
        ((run.spec.dataset_name, run.spec.variant_name, run.spec.seed), run.record)
        for run in collected.runs
        if run.finished and run.record
    ]
    lines = lines_by_machine(named)
    return [Fact("machines", [" / ".join(lines)])] if len(lines) > 1 else []


def _commit(record: Record) -> str:
    why = f" ({record.no_commit})" if record.no_commit else ""
    return record.commit or f"unknown{why}"


def _version(name: str, record: Record) -> str:
    return record.versions.get(name, "none")


def _minute(time: str) -> str:
    """2026-01-05T10:00:00+00:00 without its T and its seconds."""
    return time[:16].replace("T", " ")


def _distinct(label: str, found: Sequence[Record], value: Callable[[Record], Any]) -> Fact:
    counted = Counter(str(value(record)) for record in found)
    if len(counted) == 1:
        return Fact(label, list(counted))
    return Fact(label, [f"{text} ({n} runs)" for text, n in counted.most_common()])


#: Properties of a run that decide how long it takes, as the end of a sentence.
_PLURALS = {
    "precision": "in different precisions",
    "device": "on different devices",
    "threads": "with different numbers of threads",
    "host": "on different hosts",
    "commit": "by different code",
}


def mixtures(dataset: DatasetRuns) -> list[str]:
    """Sentences about images in two splits, variants whose seeds differ in more than it, all the runs."""
    sentences = [
        f"{dataset.name}: {words}; whoever has them by heart scores better." for words in dataset.repeated
    ]
    for variant in dataset.variants:
        for key in ("precision", "device", "commit", "threads"):
            values = sorted({str(getattr(record, key)) for record in records(variant.runs)})
            codes = {record.code for record in records(variant.runs)}
            if key == "commit" and len(codes) == 1 and None not in codes:
                continue  # the code that decides a training is the same
            if len(values) > 1:
                sentences.append(
                    f"{dataset.name}/{variant.name}: its seeds mix {key} {' and '.join(values)}; "
                    "their spread is not that of the seed alone."
                )
    sentences += [*_stale(dataset), *_continued(dataset)]
    if unknown := [variant.name for variant in dataset.variants if variant.baseline is None]:
        are = "is a baseline" if len(unknown) == 1 else "are baselines"
        sentences.append(
            f"{dataset.name}: whether {', '.join(unknown)} {are} is not known, since plan.json is missing or "
            "older. They are compared as networks; `pixelcnn plan` with the config writes it anew."
        )
    dirty = sum(str(record.commit).endswith("-dirty") for record in records(dataset.runs))
    if dirty:
        sentences.append(f"{dataset.name}: {dirty} of its runs ran code that no commit holds (-dirty).")
    sentences += _timed(dataset)
    for key, plural in _PLURALS.items():
        values = sorted({str(getattr(record, key)) for record in records(dataset.runs)})
        if key == "commit" and all(run.stale is False for run in dataset.runs if run.finished):
            continue  # all were trained by the code as it is, whatever else was edited between the commits
        if len(values) > 1:
            listed = ", ".join(values)
            what = "numbers" if key in ("commit", "precision") else "times"
            sentences.append(
                f"{dataset.name}: its runs were trained {plural} ({listed}); compare their {what} with care."
            )
    return sentences


def _timed(dataset: DatasetRuns) -> Iterator[str]:
    """Whose seconds and memory are shown where runs came from several machines."""
    if len({machine_of(record) for record in records(dataset.runs)}) < 2:
        return
    by_machine: dict[str, list[str]] = {}
    for variant in dataset.variants:
        if variant.finished:
            by_machine.setdefault(str(timed_on(variant)), []).append(variant.name)
    main = str(dataset.variants[0].machine)
    by_machine.pop(main, None)
    others = [f"; those of {joined(own)}, never trained there, on {m}" for m, own in by_machine.items()]
    yield (
        f"{dataset.name}: seconds, speed and memory of training are not pooled over machines. They are those "
        f"of the runs on {main}, which has most{''.join(others)}."
    )


def _stale(dataset: DatasetRuns) -> Iterator[str]:
    for variant in dataset.variants:
        trained: dict[str, list[str]] = {}
        evaluated: list[str] = []
        for run in variant.finished:
            if run.trained_by_other_code and run.record:
                trained.setdefault(run.record.commit or "unknown", []).append(str(run.spec.seed))
            elif run.stale:
                evaluated.append(str(run.spec.seed))
        for commit, seeds in trained.items():
            yield (
                f"{dataset.name}/{variant.name}: stale, seeds {', '.join(seeds)}. The code that "
                f"trained them (commit {commit}) was edited since; retrain them before you compare."
            )
        if evaluated:
            yield (
                f"{dataset.name}/{variant.name}: stale, seeds {', '.join(evaluated)}. They were evaluated by "
                "other code than trained them and than there is now; evaluate them again before you compare."
            )


def _continued(dataset: DatasetRuns) -> Iterator[str]:
    for run in dataset.runs:
        if run.finished and run.record and run.record.changed:
            yield (
                f"{run.spec.name}: was interrupted and resumed under other conditions "
                f"({'; '.join(run.record.changed)}); an uninterrupted run may end elsewhere."
            )


@dataclass(frozen=True)
class Recipe:
    """A variant's architecture, hyper-parameters and departures from the common recipe, as words."""

    name: str
    model: str
    likelihood: str
    conditional: bool
    hyperparameters: list[tuple[str, str]]
    matched: list[str]
    training: list[tuple[str, str]]


def recipes(benchmark: Benchmark) -> list[Recipe]:
    """What the config says of each variant, and the width that was found where it asks for a size."""
    return [
        Recipe(
            name=name,
            model=v.model,
            likelihood=v.likelihood,
            conditional=v.conditional,
            hyperparameters=_words(v.hyperparameters),
            matched=list(_matched(benchmark, name)),
            training=_words(v.training),
        )
        for name, v in benchmark.variants.items()
    ]


def _matched(benchmark: Benchmark, variant: str) -> Iterator[str]:
    """Of a variant with `match_parameters` its width, and how near that came, on each dataset."""
    asked = benchmark.variants[variant].match_parameters
    for dataset in benchmark.datasets:
        if asked and (found := benchmark.match(dataset, variant)):
            where = f" (on {dataset})" if len(benchmark.datasets) > 1 else ""
            yield f"{found.words(asked)}{where}"


def common_recipe(benchmark: Benchmark) -> list[tuple[str, str]]:
    """The training settings shared by all variants that do not set their own."""
    return _words(asdict(benchmark.training))


def _words(settings: dict[str, Any]) -> list[tuple[str, str]]:
    return [(key.replace("_", " "), _word(value)) for key, value in settings.items()]


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_word(item)}" for key, item in value.items())
    return "none" if value is None else str(value)
