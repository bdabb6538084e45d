"""How many more seeds would decide what a benchmark leaves undecided, and how long they would take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from statistics import fmean

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import DatasetRuns, Run
from pixelcnn.report.pairs import Pair, Pairs
from pixelcnn.report.text import duration
from pixelcnn.report.timed import timed_runs
from pixelcnn.report.words import amount, count_of, ordinal
from pixelcnn.statistics.comparisons import Comparison
from pixelcnn.statistics.seeds_needed import IN_REACH, seeds_needed


@dataclass(frozen=True)
class Undecided:
    """A pair that the seeds do not decide, and how many `more` than the config asks for would.

    At 0 those that are still to come would; None: a hundred would not. `decides` says what they would show,
    `seconds` how long their runs take, one after the other.
    """

    pair: Pair
    difference: float
    more: int | None
    decides: str = ""
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """The pair, by how much it differs, and what would decide it."""
        first, second = self.pair
        apart = f"{first} against {second}, {amount(self.difference, 2)} nats apart"
        if self.more is None:
            return f"{apart}: out of reach, a hundred seeds would not decide it"
        what = "find a difference of that size" if self.decides == "difference" else "show equivalence"
        who = "the seeds still to come"
        if self.more:
            who = f"{count_of(self.more, 'more seed')} (about {duration(self.seconds)} of runs)"
        return f"{apart}: {who} would {what}"


@dataclass(frozen=True)
class SeedPlan:
    """What is undecided on a dataset, cheapest first, and the seeds that would decide what is in reach.

    `untested` pairs have fewer than two seeds. `more` is for every variant; `seconds` is what one seed of all
    of them takes, job by job.
    """

    undecided: list[Undecided]
    untested: int
    more: int
    seconds: float
    next_look: int

    def look_words(self) -> str:
        """What follows for the next report; nothing if it is the first that compares anything."""
        if self.next_look == 1:
            return ""
        return (
            f"The report of them is the {ordinal(self.next_look)} look at these variants, whose verdicts are "
            "stricter for it; that is reckoned in. Decide on the number before you look."
        )


def plan_seeds(pairs: Pairs, dataset: DatasetRuns, benchmark: Benchmark) -> SeedPlan:
    """What would decide the undecided pairs of a dataset, with a chance of 80 % each."""
    compared = any(found.p is not None for found in pairs.seeds.pairs.values())
    look = pairs.differences.look.number + compared
    asked, seconds = len(benchmark.seeds), _seconds_of_a_seed(dataset)
    undecided = [
        _undecided(pair, pairs.seeds[pair], asked, look, seconds) for pair in pairs.having("undecided")
    ]
    undecided.sort(key=lambda one: IN_REACH if one.more is None else one.more)
    more = max((one.more for one in undecided if one.more), default=0)
    untested = len(pairs.having(None))
    if untested:
        more = max(more, 2 - asked)
    return SeedPlan(undecided, untested, more, seconds, look)


def _undecided(pair: Pair, found: Comparison, asked: int, look: int, seconds: float) -> Undecided:
    """`seconds` are those of a seed of all variants."""
    needed = seeds_needed(found, look=look)
    if needed is None:
        return Undecided(pair, found.difference, None)
    more = max(0, min(found.n) + needed.more - asked)
    return Undecided(pair, found.difference, more, needed.decides, more * seconds)


def config_line(benchmark: Benchmark, more: int) -> str:
    """The config's seeds and the next ones that neither they nor the trials of a tuning have."""
    taken = {*benchmark.seeds, *(benchmark.tuning.seeds if benchmark.tuning else ())}
    taken |= {seed for found in (benchmark.tuned or {}).values() for seed in found.seeds}
    further = (seed for seed in count(max(benchmark.seeds) + 1) if seed not in taken)
    return f"seeds: {[*benchmark.seeds, *islice(further, more)]}"


def cost_words(more: int, seconds: float, at_once: int | None = None) -> str:
    """How long so many seeds take, by what those so far took."""
    words = (
        f"{count_of(more, 'more seed')} of every variant: about {duration(more * seconds)} of training, "
        "evaluation and analysis"
    )
    if at_once is None:
        return words
    return f"{words}, {duration(more * seconds / at_once)} with {count_of(at_once, 'run')} at once"


def _seconds_of_a_seed(dataset: DatasetRuns) -> float:
    """Of all variants, the mean over the seeds of each on one machine."""
    timed = ([run for run in timed_runs(variant) if run.finished] for variant in dataset.variants)
    return sum(fmean(map(_seconds_of, runs)) for runs in timed if runs)


def _seconds_of(run: Run) -> float:
    training = run.record.wall_seconds if run.record else 0.0
    return training + sum(done.seconds for done in (run.metrics, run.analysis) if done)


def runs_at_once(benchmark: Benchmark, runs: Sequence[Run]) -> int | None:
    """How many runs like these this machine can do at once; None if they were on a GPU."""
    records = [run.record for run in runs if run.finished and run.record]
    if not records or any(record.device != "cpu" for record in records):
        return None
    return max(1, len(os.sched_getaffinity(0)) // benchmark.threads)
