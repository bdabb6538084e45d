"""How often the runs of a benchmark were looked at.

Who changes the seeds after a report has two chances to be misled. So a report leaves a note of the runs that
the config asks for in the benchmark's folder, and one of other seeds of the same variants is a further look:
less of the error rate is left to it (docs/statistics.md). It is what is asked for that counts, not what has
finished: reports while runs come in, or after one was tried again, are the same look. Runs are known by the
digests of their specs: names decide nothing, and a run that was retrained is the same run, since to look
again at new luck is to look again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pixelcnn.report.collect import DatasetRuns, Status
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json, write_json

#: What one look is at: variant -> digests of the runs that it is to have.
Asked = dict[str, list[str]]

#: What becomes a result by the same command, without a change of the config.
TO_COME = (
    Status.MISSING,
    Status.RUNNING,
    Status.INTERRUPTED,
    Status.NOT_EVALUATED,
    Status.OUTDATED,
    Status.DAMAGED,
)


@dataclass(frozen=True)
class Look:
    """That this is the `number`-th look at a dataset's runs, and how many seeds each one before was at.

    While it is `interim`, runs are still to come.
    """

    number: int = 1
    before: tuple[int, ...] = ()
    interim: bool = False


def look_at(dataset: DatasetRuns, noted: Sequence[Asked]) -> Look:
    """Which look a report of these runs is, by what earlier ones were at."""
    now, others = _asked(dataset), []
    for asked in noted:
        if _is_another(now, asked):
            others.append(asked)
        elif _is_the_same(now, asked):  # it is made again: what came later does not count
            break
    before = tuple(max(map(len, asked.values())) for asked in others)
    return Look(len(others) + 1, before, any(run.status in TO_COME for run in dataset.runs))


def read_looks(folder: BenchmarkFolder) -> dict[str, list[Asked]]:
    """The looks so far, by dataset, in their order.

    Raises:
        UserError: if the note is damaged.
    """
    found = read_json(folder.looks) if folder.looks.exists() else {}
    if not _is_note(found):
        raise UserError(
            f"{folder.looks}: damaged, expected dataset -> list of variant -> digests; without "
            "the file the next report counts as the first look at these seeds"
        )
    looks: dict[str, list[Asked]] = found
    return looks


def note_looks(
    folder: BenchmarkFolder, datasets: Sequence[DatasetRuns], noted: Mapping[str, list[Asked]]
) -> None:
    """Remember that variants of these datasets were compared."""
    looks = {name: [dict(asked) for asked in own] for name, own in noted.items()}
    for dataset in datasets:
        if len(now := _asked(dataset)) < 2:
            continue
        own = looks.setdefault(dataset.name, [])
        same = next((asked for asked in own if _is_the_same(now, asked)), None)
        if same is None:
            own.append(now)
        else:
            same.update({name: now[name] for name in now if _of(now[name], same) is None})
    if looks != noted:
        write_json(folder.looks, looks)


def _asked(dataset: DatasetRuns) -> Asked:
    """All runs of the variants that can be compared by now."""
    return {v.name: [run.spec.digest for run in v.runs] for v in dataset.variants if len(v.finished) >= 2}


def _of(runs: Sequence[str], asked: Asked) -> list[str] | None:
    """The runs of the same variant in a look: those that have some in common."""
    return next((others for others in asked.values() if {*runs} & {*others}), None)


def _is_another(now: Asked, asked: Asked) -> bool:
    """Whether two or more variants were compared by then, and one of them at other seeds."""
    shared = [(runs, others) for runs in now.values() if (others := _of(runs, asked)) is not None]
    return len(shared) >= 2 and any({*runs} != {*others} for runs, others in shared)


def _is_the_same(now: Asked, asked: Asked) -> bool:
    """Whether it was at the same seeds of what both have, and no variant is another one by now."""
    both = {name: _of(runs, asked) for name, runs in now.items()}
    unlike = any(others is not None and {*now[name]} != {*others} for name, others in both.items())
    renewed = any(others is None and name in asked for name, others in both.items())
    return any(both.values()) and not unlike and not renewed


def _is_note(found: object) -> bool:
    def tables(value: object) -> list[object] | None:
        return list(value.values()) if isinstance(value, dict) else None

    def lists(value: object) -> list[object] | None:
        return value if isinstance(value, list) else None

    levels = [found]
    for inner in (tables, lists, tables, lists):
        parts = [inner(value) for value in levels]
        if any(part is None for part in parts):
            return False
        levels = [value for part in parts for value in part or ()]
    return all(isinstance(value, str) for value in levels)
