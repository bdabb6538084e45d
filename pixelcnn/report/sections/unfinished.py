"""The runs without a result, and why: above everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixelcnn.report.collect import Run, Status
from pixelcnn.report.sections.base import Content, OfBenchmark, Whole

#: What comes first among the notices: that which a person has to mend.
URGENCY = (
    Status.FAILED,
    Status.DAMAGED,
    Status.OUTDATED,
    Status.INTERRUPTED,
    Status.NOT_EVALUATED,
    Status.RUNNING,
    Status.MISSING,
)


@dataclass(frozen=True)
class Notice:
    """Why runs have no result, in the words of their status; `folder` names one, or several {0,1,2}."""

    folder: str
    status: Status
    detail: str


def build(whole: Whole) -> Content | None:
    """A notice a run, and how many there are of each status."""
    unfinished = [run for run in whole.collected.runs if not run.finished]
    if not unfinished:
        return None
    tally = [(status, n) for status in URGENCY if (n := sum(r.status is status for r in unfinished))]
    notices = list(_notices(unfinished, whole.collected.directory))
    return Content({"unfinished": len(unfinished), "tally": tally, "notices": notices})


def _notices(unfinished: Sequence[Run], directory: Path) -> Iterator[Notice]:
    """A notice a run, but one for all seeds of a variant that have the same to say."""
    groups: dict[tuple[Status, str, str], list[int]] = {}
    for run in sorted(unfinished, key=lambda run: URGENCY.index(run.status)):
        parent = run.folder.parent.relative_to(directory).as_posix()
        groups.setdefault((run.status, parent, run.detail), []).append(run.spec.seed)
    for (status, parent, detail), seeds in groups.items():
        listed = ",".join(map(str, seeds))
        yield Notice(
            f"{parent}/seed{{{listed}}}" if len(seeds) > 1 else f"{parent}/seed{listed}", status, detail
        )


SECTION = OfBenchmark("unfinished", build=build)
