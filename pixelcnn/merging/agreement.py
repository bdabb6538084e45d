"""What must be the same before runs of several folders stand in one table; what is not is refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from pixelcnn.config.differences import dataset_differences, differences, told
from pixelcnn.merging.sources import Found, Source
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json, sha256

#: Keys of a config that decide what is made of a training, which one config says once.
MADE_BY = ("sampling", "analysis", "audit", "report")
#: How the two of a refusal are called.
BETWEEN = ("in the first", "in the second")


def check_configs(sources: Sequence[Source]) -> None:
    """Refuse folders of other benchmarks, data or recipes.

    Raises:
        UserError: naming two folders, the key and both values.
    """
    first = sources[0]
    for other in sources[1:]:
        if first.name != other.name:
            _refuse(first, other, "benchmark", first.name, other.name)
        for earlier in sources[: sources.index(other)]:
            _check_two(earlier, other)


def _check_two(first: Source, other: Source) -> None:
    shared = first.benchmark.datasets.keys() & other.benchmark.datasets.keys()
    for name in first.benchmark.datasets:
        if name in shared:
            _check_dataset(first, other, name)
    for name in first.benchmark.variants:
        if name in other.benchmark.variants:
            _check_variant(first, other, name, [d for d in first.benchmark.datasets if d in shared])
    for key in MADE_BY:
        mine, theirs = (_plain(getattr(source.benchmark, key)) for source in (first, other))
        for path, a, b in _unlike(key, mine, theirs):
            _refuse(first, other, path, a, b)


def _check_dataset(first: Source, other: Source, name: str) -> None:
    one, two = first.benchmark.datasets[name], other.benchmark.datasets[name]
    if words := dataset_differences(one, two, BETWEEN):
        raise UserError(_other(first, other, f"datasets.{name}", words))
    mine, theirs = first.data.get(name), other.data.get(name)
    if mine and theirs and mine != theirs:
        _refuse(first, other, f"datasets.{name}: SHA-256 of the prepared data", mine, theirs)


def _check_variant(first: Source, other: Source, name: str, datasets: Sequence[str]) -> None:
    """By what it is on the datasets that both have; without any by its entry in the config."""
    for dataset in datasets:
        one, two = (s.benchmark.run(dataset, name, s.benchmark.seeds[0]) for s in (first, other))
        two = replace(two, seed=one.seed)
        if one.digest != two.digest:
            raise UserError(_other(first, other, f"{dataset}/{name}", differences(one, two, BETWEEN)))
    if not datasets:
        mine, theirs = (_plain(source.benchmark.variants[name]) for source in (first, other))
        for path, a, b in _unlike(f"variants.{name}", mine, theirs):
            _refuse(first, other, path, a, b)


def check_runs(found: Sequence[Found]) -> None:
    """Refuse runs of a variant that saw other data, or that other code trained or evaluated.

    Raises:
        UserError: naming two runs, the key and both values.
    """
    noted: dict[tuple[str, ...], tuple[Found, str]] = {}
    for run in found:
        for kind, value in _said(run):
            before, known = noted.setdefault(kind, (run, value))
            if known != value and before.source is not run.source:
                raise UserError(
                    f"{before.place} and {run.place}: {kind[-1]} is {known!r} in the first and "
                    f"{value!r} in the second; their numbers do not compare"
                )


def _said(run: Found) -> Iterator[tuple[tuple[str, ...], str]]:
    """What must be the same: of all runs on a dataset, or of those of a variant."""
    spec = run.spec
    path = run.source.folder.run_of(spec).metrics_file
    metrics = read_json(path) if path.is_file() else {}
    for said in (run.record.data_sha256, metrics.get("data_sha256")):
        if said is not None:
            yield (spec.dataset_name, "data_sha256"), said
    if run.record.code is not None and run.finished:
        yield (spec.dataset_name, spec.variant_name, "code that trained it"), run.record.code
    if metrics.get("code") is not None:
        yield (spec.dataset_name, spec.variant_name, "code that evaluated it"), metrics["code"]


def same_run(first: Found, other: Found) -> None:
    """Refuse two runs of the same name that are not the same training.

    What only one of them has, such as an analysis that was made later, is no difference.

    Raises:
        UserError: naming the file, the key and both values.
    """
    for name in sorted(first.files.keys() & other.files.keys()):
        mine, theirs = first.files[name], other.files[name]
        if sha256(mine) == sha256(theirs):
            continue
        how = "their contents differ"
        if name.endswith(".json"):
            path, a, b = next(_unlike("", read_json(mine), read_json(theirs)), ("", None, None))
            how = f"{path} is {json.dumps(a)} in the first and {json.dumps(b)} in the second"
        raise UserError(
            f"{mine} and {theirs}: the same run ({first.spec.name}) twice, and not the same: {how}; "
            "a run is trained once: remove the folder of one of the two, or leave its benchmark out"
        )


def precisions(found: Sequence[Found]) -> list[str]:
    """Sentences on variants whose seeds were trained in several precisions, as the report has them."""
    by_variant: dict[tuple[str, str], set[str]] = {}
    for run in found:
        by_variant.setdefault((run.spec.dataset_name, run.spec.variant_name), set()).add(run.record.precision)
    return [
        f"{d}/{v}: its seeds mix precision {' and '.join(sorted(own))}; the report warns of it"
        for (d, v), own in by_variant.items()
        if len(own) > 1
    ]


def merged_tables(
    what: str, tables: Sequence[tuple[Source, Mapping[str, Mapping[str, Any]]]], *, complete: bool = True
) -> dict[str, dict[str, Any]]:
    """dataset -> variant -> a value, of all folders together.

    Not `complete`: a key that only one of two has was not yet said by the other, and is taken from the one.

    Raises:
        UserError: where two have different values, naming both.
    """
    union: dict[str, dict[str, Any]] = {}
    owners: dict[tuple[str, str], Source] = {}
    for source, table in tables:
        for dataset, own in table.items():
            for variant, value in own.items():
                known = union.setdefault(dataset, {}).setdefault(variant, value)
                owner = owners.setdefault((dataset, variant), source)
                if not complete:
                    value = {**known, **value}
                    union[dataset][variant] = known = {**value, **known}
                if known != value:
                    path, a, b = next(_unlike(f"{what}: {dataset}.{variant}", known, value))
                    _refuse(owner, source, path, a, b)
    return union


def _other(first: Source, other: Source, what: str, found: Sequence[str]) -> str:
    return (
        f"{first.folder.path} and {other.folder.path}: {what} is described otherwise in the second "
        f"({told(found)}); "
        "only folders with the same data and recipes can be merged"
    )


def _refuse(first: Source, other: Source, key: str, mine: Any, theirs: Any) -> None:
    raise UserError(
        f"{first.folder.path} and {other.folder.path}: {key} is {json.dumps(mine)} in the first and "
        f"{json.dumps(theirs)} in the second; only folders of the same benchmark can be merged"
    )


def _plain(value: Any) -> Any:
    return None if value is None else json.loads(json.dumps(asdict(value)))


def _unlike(path: str, one: Any, two: Any) -> Iterator[tuple[str, Any, Any]]:
    """The keys, as a.b.c, at which two pieces of plain data differ."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in dict.fromkeys([*one, *two]):
            yield from _unlike(f"{path}.{key}" if path else key, one.get(key), two.get(key))
    elif one != two:
        yield path or "content", one, two
