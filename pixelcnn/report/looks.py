"""How often the runs of a benchmark were looked at.

Who adds seeds where a report left something undecided looks twice, and has two chances to be misled. So a
report of which no run is still to come leaves a note of its runs in the benchmark's folder, and one with
other seeds of the same variants is a further look: less of the error rate is left to it
(docs/statistics.md). A run that was retrained by the same spec is the same run: to look again at new luck is
to look again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pixelcnn.report.collect import DatasetRuns, Status
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json, write_json

#: The runs of one look: variant -> seed -> digest of the run's spec.
Seen = dict[str, dict[str, str]]

#: What may still become a result without a change of the config or a second try.
TO_COME = (Status.MISSING, Status.RUNNING, Status.INTERRUPTED, Status.NOT_EVALUATED)


@dataclass(frozen=True)
class Look:
    """That this is the `number`-th look at a dataset's runs, and how many seeds each one before had."""

    number: int = 1
    before: tuple[int, ...] = ()


def look_at(dataset: DatasetRuns, recorded: Sequence[Seen]) -> Look:
    """Which look a report of these runs is, by what earlier ones saw of them."""
    now = _seen(dataset)
    others = list(_others(now, recorded))
    return Look(len(others) + 1, tuple(max(map(len, seen.values()), default=0) for seen in others))


def read_looks(folder: BenchmarkFolder) -> dict[str, list[Seen]]:
    """The looks so far, by dataset, in their order.

    Raises:
        UserError: if the note is damaged.
    """
    found = read_json(folder.looks) if folder.looks.is_file() else {}
    if not _is_note(found):
        raise UserError(
            f"{folder.looks}: damaged, expected dataset -> list of variant -> seed -> digest; without "
            "the file the next report counts as the first look at these seeds"
        )
    looks: dict[str, list[Seen]] = found
    return looks


def note_looks(
    folder: BenchmarkFolder, datasets: Sequence[DatasetRuns], recorded: Mapping[str, list[Seen]]
) -> None:
    """Remember a report of these runs, unless some of them are still to come."""
    looks = {name: [dict(seen) for seen in seens] for name, seens in recorded.items()}
    for dataset in datasets:
        now = _seen(dataset)
        if not now or any(run.status in TO_COME for run in dataset.runs):
            continue
        own = looks.setdefault(dataset.name, [])
        same = next((seen for seen in own if not _differ(now, seen) and _shared(now, seen)), None)
        if same is None:
            own.append(now)
        else:
            same.update({name: runs for name, runs in now.items() if name not in same})
    if looks != recorded:
        write_json(folder.looks, looks)


def _seen(dataset: DatasetRuns) -> Seen:
    """The finished runs of variants that can be tested."""
    of = {v.name: {str(run.spec.seed): run.spec.digest for run in v.finished} for v in dataset.variants}
    return {name: runs for name, runs in of.items() if len(runs) >= 2}


def _others(now: Seen, recorded: Sequence[Seen]) -> Iterator[Seen]:
    """The looks before this one that saw other seeds of variants that are compared now."""
    for seen in recorded:
        if _differ(now, seen):
            yield seen
        elif _shared(now, seen):
            return  # this is the one that is made again


def _shared(now: Seen, seen: Seen) -> list[str]:
    """The variants of which an earlier look saw runs that are there now."""
    return [name for name in now if now[name].items() & seen.get(name, {}).items()]


def _differ(now: Seen, seen: Seen) -> bool:
    """Whether two or more variants were compared by then, and one of them by other seeds."""
    shared = _shared(now, seen)
    return len(shared) >= 2 and any(now[name] != seen[name] for name in shared)


def _is_note(found: object) -> bool:
    return isinstance(found, dict) and all(
        isinstance(seens, list)
        and all(
            isinstance(seen, dict) and all(isinstance(runs, dict) for runs in seen.values()) for seen in seens
        )
        for seens in found.values()
    )
