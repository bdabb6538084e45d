"""From several folders to one, which appears whole or not at all."""

from __future__ import annotations

import glob
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.merging.agreement import check_configs, check_runs, merged_tables, precisions, same_run
from pixelcnn.merging.compact import lightened, weighed, with_weights
from pixelcnn.merging.sources import Found, Source, read_source, runs_of
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.results.machines import Machine, lines_by_machine, machine_of, main_machine
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json, sha256, write_json
from pixelcnn.system.processes import process_alive

#: The end of the name that an earlier merge's folder has while the new one takes its place.
BEFORE = "-before"


@dataclass(frozen=True)
class Merged:
    """What is to be written: the config of all, the runs, each once, and what is to be told."""

    sources: Sequence[Source]
    benchmark: Benchmark
    runs: Mapping[str, Found]
    lines: list[str]
    left: list[str]
    weight: str = ""


def merge(folders: Sequence[Path], into: Path, *, compact: bool = False) -> Merged:
    """Join the folders of one benchmark into a further one, and change none of them.

    If that is there and came from a merge, what it has is kept, and what is new is added: to merge twice
    changes nothing. A `compact` one takes of the others, or of one alone, what reports need; see
    `merging.compact`.

    Raises:
        UserError: naming what does not belong together; then nothing is written.
    """
    paths = list({path.resolve(): path for path in folders}.values())
    if into.is_symlink():
        raise UserError(f"--into {into}: is a link; name the folder itself, {into.resolve()}")
    _clear(into)
    _check_places(paths, into, least=1 if compact else 2)
    paths = [path for path in paths if path.resolve() != into.resolve()]
    sources = [read_source(path, compact=compact) for path in paths]
    sources += [read_source(into)] if _is_merge(into) else []
    merged = _joined(sources, into)
    with _beside(into) as building:
        _write(merged, building)
        if _is_merge(into):
            _keep(into, building)
        weight = weighed(building, sources, into) if compact else ""
    return replace(merged, weight=weight)


def _check_places(paths: Sequence[Path], into: Path, least: int) -> None:
    target = into.resolve()
    for path in paths:
        place = path.resolve()
        if place != target and (target.is_relative_to(place) or place.is_relative_to(target)):
            raise UserError(f"--into {into}: one lies within the other ({path}); take a folder beside it")
    if into.exists() and not _is_merge(into) and (not into.is_dir() or any(into.iterdir())):
        raise UserError(
            f"--into {into}: is there and came from no merge (no {_note_of(into).name} in it); "
            "take a new one, or remove it if it holds nothing but a plan"
        )
    if len({*(path.resolve() for path in paths), target}) <= least and not _is_merge(into):
        expected = "another folder to take from" if least == 1 else "at least two folders to merge"
        got = ", ".join(map(str, paths)) or "none"
        raise UserError(f"--into {into}: expected {expected}, got {got}")


def _names(sources: Sequence[Source]) -> str:
    return ", ".join(str(source.folder.path) for source in sources)


def _is_merge(into: Path) -> bool:
    return _note_of(into).is_file()


def _note_of(into: Path) -> Path:
    return BenchmarkFolder(into).merged


def _joined(sources: Sequence[Source], into: Path) -> Merged:
    check_configs(sources)
    found, left = list[Found](), list[str]()
    for source in sources:
        own, lines = runs_of(source)
        if source.folder.path == into and lines:
            raise UserError(
                f"--into {into}: has what a merge would not keep ({lines[0]}); take another folder"
            )
        found += map(lightened, own)
        left += lines
    check_runs(found)
    runs: dict[str, Found] = {}
    for run in found:
        runs[run.spec.name] = _one_of(runs[run.spec.name], run, left) if run.spec.name in runs else run
    if not runs:
        raise UserError(f"{_names(sources)}: no run there has ended")
    benchmark = _union(sources, into)
    runs = {spec.name: runs[spec.name] for spec in benchmark.runs() if spec.name in runs}
    if missing := len(benchmark.runs()) - len(runs):
        left.append(
            f"{missing} of {len(benchmark.runs())} runs of datasets x variants x seeds are in no folder"
        )
    runs = dict(with_weights(runs, left))
    if not runs:
        raise UserError(f"{_names(sources)}: no test results there; evaluate a run before --compact")
    trained = [
        ((run.spec.dataset_name, run.spec.variant_name, run.spec.seed), run.record) for run in runs.values()
    ]
    left += precisions(list(runs.values()))
    left += _other_judges(sources, benchmark)
    return Merged(sources, benchmark, runs, lines_by_machine(trained), left)


def _other_judges(sources: Sequence[Source], benchmark: Benchmark) -> Iterator[str]:
    """Folders whose conditional samples were judged by another classifier than the one that is taken."""
    for dataset in benchmark.datasets:
        judges = [(s, s.folder.dataset(dataset).classifier) for s in sources]
        known = [(source, sha256(path)) for source, path in judges if path.is_file()]
        for source, digest in known[1:]:
            if digest != known[0][1]:
                yield (
                    f"{source.folder.path}: its samples of {dataset} were judged by another classifier than "
                    f"those of {known[0][0].folder.path}, whose is taken; `snakemake report` judges none anew"
                )


def _one_of(first: Found, other: Found, left: list[str]) -> Found:
    """The one of two of the same name: a training that ended well before one that failed."""
    if first.finished != other.finished:
        better, worse = (first, other) if first.finished else (other, first)
        left.append(f"{worse.place}: left out, it failed; {better.place} ended well")
        return better
    same_run(first, other)
    return replace(first, files={**other.files, **first.files})


def _union(sources: Sequence[Source], into: Path) -> Benchmark:
    """The config of all: the first one's with the datasets, variants and seeds of the others."""
    first, every = sources[0].benchmark, [source.benchmark for source in sources]
    asked = {benchmark.asked for benchmark in every}
    tuned = [(s, {"tuned": dict(s.benchmark.tuned)}) for s in sources if s.benchmark.tuned]
    matched = [(s, s.benchmark.matched) for s in sources if s.benchmark.matched]
    datasets = {
        name: dataset for benchmark in reversed(every) for name, dataset in benchmark.datasets.items()
    }
    return replace(
        first,
        benchmark=into.name,
        results=str(into.parent),
        datasets={name: datasets[name] for benchmark in every for name in benchmark.datasets},
        variants={name: _variant(name, sources) for b in every for name in b.variants},
        seeds=tuple(sorted({seed for benchmark in every for seed in benchmark.seeds})),
        only=None,
        # It changes no run; of some of the variants it is another than of all.
        tuning=first.tuning if all(one.tuning == first.tuning for one in every) else None,
        tuned=merged_tables("config", tuned)["tuned"] if tuned else None,
        matched=merged_tables("config", matched) if matched else None,
        asked=asked.pop() if len(asked) == 1 else "",
    )


def _variant(name: str, sources: Sequence[Source]) -> VariantSpec:
    """A variant as the first folder has it that has it; the recipe that is common must be the first one's."""
    owner = next(s for s in sources if name in s.benchmark.variants)
    variant = owner.benchmark.variants[name]
    if owner.benchmark.training == sources[0].benchmark.training:
        return variant
    raise UserError(
        f"{sources[0].folder.path} and {owner.folder.path}: the common recipe (training) is another one in "
        f"the second, by which only it trains {name}; give the variants their own recipes instead"
    )


def _write(merged: Merged, place: Path) -> None:
    folder, sources = BenchmarkFolder(place), merged.sources
    for run in merged.runs.values():
        for name, path in run.files.items():
            _copy(path, folder.run_of(run.spec).path / name)
    _copy_first((s.folder.precision for s in sources), folder.precision)
    for dataset in merged.benchmark.datasets:
        own = [s.folder.dataset(dataset) for s in sources]
        target = folder.dataset(dataset)
        whole = (s.folder.dataset(dataset) for s in sources if not s.compact)
        _copy_first((one.data for one in whole), target.data)
        judges = [one for one in own if all(path.is_file() for path in one.classified)]
        if judges:  # both of one place: the note is of these weights
            for path, copy in zip(judges[0].classified, target.classified, strict=True):
                _copy(path, copy)
    costs = _write_costs(merged, folder)
    plans = [(s, read_json(s.folder.plan)) for s in sources if s.folder.plan.is_file()]
    plans = [(source, plan) for source, plan in plans if isinstance(plan, dict)]  # else `plan` writes it anew
    if plans:
        # An older plan says less.
        write_json(folder.plan, merged_tables(folder.plan.name, plans, complete=False))
    looks = _looks(sources)
    if looks:
        write_json(folder.looks, looks)
    write_json(folder.config, merged.benchmark.to_json())
    write_json(folder.merged, _note(merged, costs))


def _write_costs(merged: Merged, folder: BenchmarkFolder) -> dict[str, str]:
    """One measurement a variant, never a mean, and which host that was.

    Of the machine with most runs, as the report's seconds are; else of the folder that measured most.
    """
    taken = {}
    machines = {
        dataset: main_machine(
            run.record for run in merged.runs.values() if run.spec.dataset_name == dataset and run.finished
        )
        for dataset in merged.benchmark.datasets
    }
    for kind in ("cost", "audit"):
        measured = {
            (dataset, variant): [
                s for s in merged.sources if getattr(s.folder, kind)(dataset, variant).is_file()
            ]
            for dataset in merged.benchmark.datasets
            for variant in merged.benchmark.variants
        }
        counts = [sum(source in own for own in measured.values()) for source in merged.sources]
        for (dataset, variant), own in measured.items():
            if not own:
                continue
            paths = {getattr(s.folder, kind)(dataset, variant): counts[merged.sources.index(s)] for s in own}
            path = max(paths, key=lambda path: (_measured_on(path, merged) == machines[dataset], paths[path]))
            _copy(path, getattr(folder, kind)(dataset, variant))
            if kind == "cost":
                taken[f"{dataset}/{variant}"] = str(read_json(path).get("host") or "unknown host")
    return taken


def _measured_on(path: Path, merged: Merged) -> Machine | None:
    """The machine of a cost; of an audit that of its run, None if another run of the name was taken."""
    said = read_json(path)
    if "run_id" in said:
        records = (run.record for run in merged.runs.values())
        return next((machine_of(one) for one in records if one.run_id == said["run_id"]), None)
    return Machine(str(said.get("host", "")), str(said.get("device", "")))


def _looks(sources: Sequence[Source]) -> dict[str, list[Any]]:
    """Every look that was taken anywhere, each once: whoever looked at a part has looked."""
    union: dict[str, list[Any]] = {}
    for source in sources:
        path = source.folder.looks
        for dataset, looks in (read_json(path) if path.is_file() else {}).items():
            own = union.setdefault(dataset, [])
            own += [look for look in looks if look not in own]
    return union


def _note(merged: Merged, costs: Mapping[str, str]) -> dict[str, Any]:
    return {
        "benchmark": merged.sources[0].name,
        "machines": merged.lines,
        "runs": {
            name: {
                "from": run.source.came_from(name),
                "host": run.record.host,
                "device": run.record.device,
                "run_id": run.record.run_id,
            }
            for name, run in merged.runs.items()
        },
        "costs_measured_on": dict(costs),
    }


def _start(into: Path) -> str:
    return f".{into.name}.{platform.node()}-"


def _clear(into: Path) -> None:
    """Remove what a killed merge of this host left beside; what it had moved away comes back."""
    for left in sorted(into.parent.glob(f"{glob.escape(_start(into))}*")):
        pid = left.name.removeprefix(_start(into)).removesuffix(BEFORE)
        if not pid.isdigit() or process_alive(int(pid)):
            continue
        if left.name.endswith(BEFORE) and not into.exists():
            left.rename(into)
        else:
            shutil.rmtree(left)


@contextmanager
def _beside(into: Path) -> Iterator[Path]:
    """A folder beside, which takes the place of `into` if the block ends well, else is removed."""
    into.parent.mkdir(parents=True, exist_ok=True)
    building = into.with_name(f"{_start(into)}{os.getpid()}")
    old = into.with_name(f"{building.name}{BEFORE}")
    try:
        building.mkdir()
        yield building
        if _is_merge(into):
            into.rename(old)
        building.rename(into)
    finally:
        if old.exists() and not into.exists():
            old.rename(into)
        for path in (building, old):
            shutil.rmtree(path, ignore_errors=True)


def _keep(into: Path, building: Path) -> None:
    """Take over every file that an earlier merge's folder has besides: report, logs, a user's own."""
    for path in sorted(into.rglob("*")):
        if BenchmarkFolder(into).keeps(path):  # of a run or of the data: those of the merge are there
            continue
        target = building / path.relative_to(into)
        if path.is_symlink() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.readlink())
        elif path.is_file() and not target.exists():
            _copy(path, target)


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)


def _copy_first(paths: Iterator[Path], target: Path) -> None:
    found = next((path for path in paths if path.is_file()), None)
    if found:
        _copy(found, target)
