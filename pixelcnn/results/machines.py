"""Which machine a run was trained on: what its seconds and its memory are of, and of nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pixelcnn.results.records import Record

#: Names in a sentence, at most; more are counted.
NAMED = 3


@dataclass(frozen=True, order=True)
class Machine:
    """A computer, by its name, and the device that trained there."""

    host: str
    device: str

    def __str__(self) -> str:
        return f"{self.host or 'unknown host'} ({self.device})"


def machine_of(record: Record) -> Machine:
    """The machine of a training; of one that resumed elsewhere the last one."""
    return Machine(record.host, record.device)


def main_machine(records: Iterable[Record]) -> Machine | None:
    """The machine with the most of these trainings, of several the first by name; None without any."""
    counted = Counter(map(machine_of, records))
    return min(counted, key=lambda machine: (-counted[machine], machine), default=None)


def lines_by_machine(trained: Iterable[tuple[tuple[str, str, int], Record]]) -> list[str]:
    """A line a machine, such as "a (cpu): seeds 0-2 of 7 variants, 21 runs"; the most runs first.

    Of each run its dataset, variant and seed, and its record.
    """
    by_machine: dict[Machine, dict[tuple[str, str], list[int]]] = {}
    for (dataset, variant, seed), record in trained:
        by_machine.setdefault(machine_of(record), {}).setdefault((dataset, variant), []).append(seed)
    counts = {machine: sum(map(len, own.values())) for machine, own in by_machine.items()}
    several = len({dataset for own in by_machine.values() for dataset, _ in own}) > 1
    lines = []
    for machine in sorted(by_machine, key=lambda one: (-counts[one], one)):
        alike: dict[tuple[int, ...], list[str]] = {}
        for (dataset, variant), seeds in by_machine[machine].items():
            name = f"{dataset}/{variant}" if several else variant
            alike.setdefault(tuple(sorted(seeds)), []).append(name)
        parts = [f"{_seeds(seeds)} of {_names(names)}" for seeds, names in alike.items()]
        runs = "1 run" if counts[machine] == 1 else f"{counts[machine]} runs"
        lines.append(f"{machine}: {'; '.join(parts)}, {runs}")
    return lines


def _names(names: Sequence[str]) -> str:
    if len(names) <= NAMED:
        return ", ".join(names)
    variants = len({name.rpartition("/")[2] for name in names})
    datasets = len({name.rpartition("/")[0] for name in names})
    return f"{variants} variants" + (f" on {datasets} datasets" if datasets > 1 else "")


def _seeds(seeds: Sequence[int]) -> str:
    """Seeds in order, in words: "seed 4", "seeds 0-2, 5"."""
    spans: list[list[int]] = []
    for seed in seeds:
        if spans and seed == spans[-1][-1] + 1:
            spans[-1].append(seed)
        else:
            spans.append([seed])
    words = ", ".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans)
    return f"seed{'s' if len(seeds) > 1 else ''} {words}"
